// SPDX-License-Identifier: MIT
#pragma once
#include "../core/ignored.hpp"
#include "tape.hpp"

namespace coefdyn::nn {

using coefdyn::ignored;

namespace detail {
template <class R>
R log_of_sum(const R* x, idx n) {
  R top = x[0], sum = R(0);
  for (idx c = 1; c < n; ++c) top = std::max(top, x[c]);
  for (idx c = 0; c < n; ++c) sum += std::exp(x[c] - top);
  return top + std::log(sum);
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

/// x - log sum e^x in each row.
template <class R>
value<R> log_softmax(tape<R>& t, const value<R>& x) {
  const value<R> y = t.make(x.batch, x.time, x.columns);
  t.by_rows(x.rows(), [&](idx begin, idx end) {
    for (idx i = begin; i < end; ++i) {
      const R sum = detail::log_of_sum(x.data + i * x.stride, x.columns);
      for (idx c = 0; c < x.columns; ++c) y.data[i * y.stride + c] = x.data[i * x.stride + c] - sum;
    }
  });
  t.record([=](tape<R>& back) {
    back.by_rows(x.rows(), [&](idx begin, idx end) {
      for (idx i = begin; i < end; ++i) {
        R total = R(0);
        for (idx c = 0; c < x.columns; ++c) total += y.gradient[i * y.stride + c];
        for (idx c = 0; c < x.columns; ++c)
          x.gradient[i * x.stride + c] += y.gradient[i * y.stride + c] - std::exp(y.data[i * y.stride + c]) * total;
      }
    });
  });
  return y;
}

/// What a batch scored.
struct score {
  double loss = 0;  // mean cross entropy over the positions that count
  idx correct = 0;  // positions whose largest logit is the label's
  idx counted = 0;
};

/// Mean cross entropy of logits against labels; positions labelled `ignored` do not count. Adds its gradient to the logits' at once, so
/// that `backward` of the tape follows directly. No position counts: loss 0, no gradient.
///
/// shape   logits (rows, V), labels (rows)
/// error   invalid_input for labels of another number, or outside 0 .. V - 1
template <class R>
score cross_entropy(tape<R>& t, const value<R>& logits, std::span<const std::int64_t> labels) {
  score s;
  s.counted = detail::count_labels(labels, logits.rows(), logits.columns);
  double* const loss = t.template take<double>(logits.rows());
  const R share = s.counted ? R(1) / R(s.counted) : R(0);
  t.by_rows(logits.rows(), [&](idx begin, idx end) {
    for (idx i = begin; i < end; ++i) {
      const std::int64_t label = labels[static_cast<std::size_t>(i)];
      loss[i] = 0;
      if (label == ignored) continue;
      const R* const x = logits.data + i * logits.stride;
      const R sum = detail::log_of_sum(x, logits.columns);
      loss[i] = double(sum - x[label]);
      for (idx c = 0; c < logits.columns && logits.gradient; ++c)
        logits.gradient[i * logits.stride + c] += share * (std::exp(x[c] - sum) - R(c == label));
    }
  });
  for (idx i = 0; i < logits.rows(); ++i) {
    const std::int64_t label = labels[static_cast<std::size_t>(i)];
    if (label == ignored) continue;
    const R* const x = logits.data + i * logits.stride;
    s.loss += loss[i] / double(s.counted);
    s.correct += std::max_element(x, x + logits.columns) == x + label;
  }
  return s;
}

}  // namespace coefdyn::nn
