// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>
#include <span>

#include "../core/ignored.hpp"
#include "../core/math.hpp"
#include "tape.hpp"

namespace coefdyn::nn {

using coefdyn::ignored;

namespace detail {
template <class Team, class R>
COEFDYN_HD R log_of_sum(Team team, const R* x, idx n) {
  R top = x[0], sum = R(0);
  for (idx c = team.first(); c < n; c += team.step()) top = math::max(top, x[c]);
  top = team.max(top);
  for (idx c = team.first(); c < n; c += team.step()) sum += std::exp(x[c] - top);
  return top + std::log(team.sum(sum));
}
template <class R>
R log_of_sum(const R* x, idx n) {
  return log_of_sum(alone{}, x, n);
}
/// How many labels count, once all are known to be words of the vocabulary or `ignored`.
inline idx count_labels(std::span<const std::int64_t> labels, idx rows, idx words) {
  if (idx(labels.size()) != rows) throw invalid_input("labels", std::to_string(rows), std::to_string(labels.size()));
  idx counted = 0;
  for (const std::int64_t label : labels) {
    if (label == ignored) continue;
    if (label < 0 || label >= words) throw invalid_input("label", "0 .. " + std::to_string(words - 1), std::to_string(label));
    ++counted;
  }
  return counted;
}
}  // namespace detail

namespace detail {
template <class R>
struct log_softmax_row {
  value<R> x, y;
  template <class Team>
  COEFDYN_HD void operator()(Team team, idx i, idx) const {
    const R sum = log_of_sum(team, x.data + i * x.stride, x.columns);
    for (idx c = team.first(); c < x.columns; c += team.step()) y.data[i * y.stride + c] = x.data[i * x.stride + c] - sum;
  }
};
template <class R>
struct log_softmax_row_back {
  value<R> x, y;
  template <class Team>
  COEFDYN_HD void operator()(Team team, idx i, idx) const {
    R total = R(0);
    for (idx c = team.first(); c < x.columns; c += team.step()) total += y.gradient[i * y.stride + c];
    total = team.sum(total);
    for (idx c = team.first(); c < x.columns; c += team.step())
      x.gradient[i * x.stride + c] += y.gradient[i * y.stride + c] - std::exp(y.data[i * y.stride + c]) * total;
  }
};
}  // namespace detail

/// x - log sum e^x in each row.
template <class R, class On>
value<R> log_softmax(tape<R, On>& t, const value<R>& x) {
  const value<R> y = t.make(x.batch, x.time, x.columns);
  t.groups(x.rows(), 1, detail::log_softmax_row<R>{x, y});
  t.record([=](tape<R, On>& back) { back.groups(x.rows(), 1, detail::log_softmax_row_back<R>{x, y}); });
  return y;
}

/// What a batch scored.
struct score {
  double loss = 0;  // mean cross entropy over the positions that count
  idx correct = 0;  // positions whose largest logit is the label's
  idx counted = 0;
};

namespace detail {
/// How many logits come before the label's in size, of equal ones the first.
template <class Team, class R>
COEFDYN_HD R logits_before(Team team, const R* x, idx n, idx label) {
  R larger = R(0);
  for (idx c = team.first(); c < n; c += team.step()) larger += c < label ? R(!(x[c] < x[label])) : R(x[label] < x[c]);
  return team.sum(larger);
}
/// Loss and verdict of a row, and the gradient of its logits.
template <class R>
struct scored_row {
  value<R> logits;
  const std::int64_t* labels;
  const double* counted;  // positions in the mean
  double* loss;           // of each row, then whether it is right
  template <class Team>
  COEFDYN_HD void operator()(Team team, idx i, idx) const {
    const std::int64_t label = labels[i];
    const R share = R(1) / R(*counted);
    const idx n = logits.columns;
    const R* const x = logits.data + i * logits.stride;
    if (label == ignored) {
      if (team.first() == 0) loss[2 * i] = loss[2 * i + 1] = 0;
      return;
    }
    const R sum = log_of_sum(team, x, n), own = x[label];
    const R larger = logits_before(team, x, n, label);
    if (team.first() == 0) loss[2 * i] = double(sum - own), loss[2 * i + 1] = larger == R(0);
    if (!logits.gradient) return;
    R* const to = logits.gradient + i * logits.stride;
    for (idx c = team.first(); c < n; c += team.step()) to[c] += share * (std::exp(x[c] - sum) - R(c == label));
  }
};
/// Of loss and verdict, the sums, and how many count.
struct summed_scores {
  static constexpr idx columns = 3;
  const double* loss;
  const std::int64_t* labels;
  const double* counted;
  template <class Sum>
  COEFDYN_HD void operator()(idx i, idx first, idx last, Sum&& sum) const {
    if (labels[i] == ignored) return;
    for (idx c = first; c < last; ++c) sum[c] += c == 0 ? loss[2 * i] / *counted : c == 1 ? loss[2 * i + 1] : 1.0;
  }
};
}  // namespace detail

namespace detail {
template <class R>
struct largest_of_row {
  value<R> x;
  std::int64_t* place;
  template <class Team>
  COEFDYN_HD void operator()(Team team, idx i, idx) const {
    const R* const row = x.data + i * x.stride;
    R top = row[0];
    for (idx c = team.first(); c < x.columns; c += team.step()) top = math::max(top, row[c]);
    top = team.max(top);
    idx before = -x.columns;  // minus the first place that has it
    for (idx c = team.first(); c < x.columns; c += team.step()) before = row[c] == top && -c > before ? -c : before;
    before = team.max(before);
    if (team.first() == 0) place[i] = before == -x.columns ? 0 : -before;  // none where a logit is NaN
  }
};
}  // namespace detail
/// The place of each row's largest logit, in the host's memory: of equal ones the first.
///
/// error   invalid_input for another number of places than rows
template <class R, class On>
void largest_logits(tape<R, On>& t, const value<R>& logits, std::span<std::int64_t> places) {
  if (idx(places.size()) != logits.rows()) throw invalid_input("places", std::to_string(logits.rows()), std::to_string(places.size()));
  std::int64_t* const found = t.template take<std::int64_t>(logits.rows());
  t.groups(logits.rows(), 1, detail::largest_of_row<R>{logits, found});
  t.read(found, logits.rows(), places.data());
}

/// What a batch scored, once the tape's device has come so far.
template <class On>
struct pending_score {
  const double* sums = nullptr;  // loss, correct, counted, in the device's memory
  template <class R>
  score read(const tape<R, On>& t) const {
    double host[3] = {0, 0, 0};
    if (sums) t.read(sums, 3, host);
    return {host[0], idx(host[1]), idx(host[2])};
  }
};

namespace detail {
/// How many labels count, or `of` where it says so, once all are known to be good, where the device reads it.
template <class R, class On>
const double* counted_labels(tape<R, On>& t, std::span<const std::int64_t> labels, idx rows, idx words, idx of = 0) {
  return t.template from_host<double>(1, [=](double* to) {
    const idx counted = count_labels(labels, rows, words);
    *to = double(of > 0 ? of : counted);
  });
}
template <class R, class On>
pending_score<On> sum_of_scores(tape<R, On>& t, idx rows, const summed_scores& of) {
  double* const sums = t.template zeros<double>(summed_scores::columns);
  t.sum_by_rows(rows, summed_scores::columns, sums, of);
  return {sums};
}
}  // namespace detail

/// Mean cross entropy of logits against labels; positions labelled `ignored` do not count. Adds its gradient to the logits' at once, so
/// that `backward` of the tape follows directly. No position counts: loss 0, no gradient. What it scored is read when it is asked for, by
/// `read`, until the next step begins. `of`: positions in the mean, where these rows are a part of a batch that has so many; 0: the rows'
/// own.
///
/// shape   logits (rows, V), labels (rows), the host's on every device
/// error   invalid_input for labels of another number, or outside 0 .. V - 1
template <class R, class On>
pending_score<On> queue_cross_entropy(tape<R, On>& t, const value<R>& logits, std::span<const std::int64_t> labels, idx of = 0) {
  const idx rows = logits.rows();
  const double* const counted = detail::counted_labels(t, labels, rows, logits.columns, of);
  const std::int64_t* const there = t.here(labels.data(), rows);
  double* const loss = t.template take<double>(2 * rows);
  t.groups(rows, 1, detail::scored_row<R>{logits, there, counted, loss});
  return detail::sum_of_scores(t, rows, {loss, there, counted});
}
/// The same, read at once.
template <class R, class On>
score cross_entropy(tape<R, On>& t, const value<R>& logits, std::span<const std::int64_t> labels, idx of = 0) {
  return queue_cross_entropy(t, logits, labels, of).read(t);
}

}  // namespace coefdyn::nn
