// SPDX-License-Identifier: MIT
#pragma once
#include "linear.hpp"
#include "loss.hpp"

namespace coefdyn::nn {

namespace detail {
/// Logits of a chunk of rows against a whole vocabulary, and what becomes of them; W [V, D]. A GPU's is in nn/cuda/large_vocabulary.cuh.
template <class R, class On = device::cpu<openmp>>
struct vocabulary_chunk {
  static constexpr idx rows = 128, rows_together = 16;
  tape<R, On>& t;
  value<R> x;
  parameter W, bias;
  R* logits;  // (rows, V), then their gradient
  idx V = W.rows, D = W.columns;
  cpu::products<R> p = cpu::products<R>::best();

  /// logits = x W' + b, each worker some of the vocabulary.
  void make_logits(idx first, idx count) const {
    t.by_rows(V, [&](idx begin, idx end) {
      for (idx i = 0; i < count; ++i)
        for (idx v = begin; v < end; ++v) logits[i * V + v] = bias ? t.weights(bias)[v] : R(0);
      p.nt(int(count), int(end - begin), int(D), x.data + first * x.stride, x.stride, t.weights(W) + begin * W.stride, W.stride,
           logits + begin, V);
    });
  }
  /// dx += dlogits W; dW += dlogits' x; db += the rows' sum.
  void pull(idx first, idx count) const {
    if (x.gradient)
      t.each((count + rows_together - 1) / rows_together, [&](idx block, int) {
        const idx begin = block * rows_together, end = std::min(count, begin + rows_together);
        p.nn(int(end - begin), int(D), int(V), logits + begin * V, V, t.weights(W), W.stride, x.gradient + (first + begin) * x.stride,
             x.stride);
      });
    t.by_rows(V, [&](idx begin, idx end) {
      p.tn(int(end - begin), int(D), int(count), logits + begin, V, x.data + first * x.stride, x.stride, t.gradients(W) + begin * W.stride,
           W.stride);
      for (idx i = 0; i < count && bias; ++i)
        for (idx v = begin; v < end; ++v) t.gradients(bias)[v] += logits[i * V + v];
    });
  }
};
/// The same as scored_row; the gradient takes the logits' place, and all of an ignored row is 0.
template <class R>
struct scored_in_place {
  R* logits;
  idx V;
  const std::int64_t* labels;
  const double* counted;
  double* loss;
  bool slopes;
  template <class Team>
  COEFDYN_HD void operator()(Team team, idx i, idx) const {
    const std::int64_t label = labels[i];
    R* const x = logits + i * V;
    if (label == ignored) {
      for (idx c = team.first(); c < V; c += team.step()) x[c] = R(0);
      if (team.first() == 0) loss[2 * i] = loss[2 * i + 1] = 0;
      return;
    }
    const R sum = log_of_sum(team, x, V), own = x[label], share = R(1) / R(*counted);
    const R larger = logits_before(team, x, V, label);
    team.meet();  // all have read x[label]
    if (team.first() == 0) loss[2 * i] = double(sum - own), loss[2 * i + 1] = larger == R(0);
    for (idx c = team.first(); c < V && slopes; c += team.step()) x[c] = share * (std::exp(x[c] - sum) - R(c == label));
  }
};
}  // namespace detail

/// Bytes of the step's memory that `cross_entropy_of_linear` takes on the CPU for N rows and V words, beyond x: logits of 128 rows at most,
/// a loss and a verdict for each row, their sums and the number that count; on a GPU logits of 1024 rows, and the labels. Logits of all
/// rows and their gradient, as `linear` and `cross_entropy` keep them, are 2 N V numbers.
template <class R>
constexpr std::size_t cross_entropy_of_linear_bytes(idx rows, idx words) {
  const auto lines = [](std::size_t bytes) { return (bytes + 63) / 64 * 64; };
  return lines(sizeof(R) * static_cast<std::size_t>(std::min(rows, detail::vocabulary_chunk<R>::rows) * words)) +
         lines(2 * sizeof(double) * static_cast<std::size_t>(rows)) + lines(3 * sizeof(double)) + lines(sizeof(double));
}

/// Mean cross entropy of the logits W x + b without logits of all rows in memory: rows pass in chunks, forward and backward at once. The
/// same numbers as cross_entropy(t, linear(t, x, W, b), labels), to rounding. Where the tape records, the gradient of W, b and x is added
/// at once: call it last, `backward` of the tape follows. What it scored is read by `read`, until the next step begins.
///
/// shape   x (rows, D), W [V, D], b [V] or none, labels (rows), the host's on every device
/// memory  cross_entropy_of_linear_bytes<R>(rows, V)
/// error   invalid_input where x has another width than W; for labels of another number, or outside 0 .. V - 1
template <class R, class On>
pending_score<On> queue_cross_entropy_of_linear(tape<R, On>& t, const value<R>& x, const parameter& W, const parameter& b,
                                                std::span<const std::int64_t> labels) {
  if (x.columns != W.columns) throw invalid_input("x of a projection", std::to_string(W.columns) + " columns", std::to_string(x.columns));
  const idx N = x.rows(), V = W.rows;
  const double* const counted = detail::counted_labels(t, labels, N, V);
  using chunk = detail::vocabulary_chunk<R, On>;
  const chunk c{t, x, W, b, t.template take<R>(std::min(N, chunk::rows) * V)};
  double* const loss = t.template take<double>(2 * N);
  const std::int64_t* const there = t.here(labels.data(), N);
  for (idx first = 0; first < N; first += chunk::rows) {
    const idx count = std::min(chunk::rows, N - first);
    c.make_logits(first, count);
    t.groups(count, 1, detail::scored_in_place<R>{c.logits, V, there + first, counted, loss + 2 * first, t.records()},
             chunk::rows_together);
    if (t.records()) c.pull(first, count);
  }
  return detail::sum_of_scores(t, N, {loss, there, counted});
}
/// The same, read at once.
template <class R, class On>
score cross_entropy_of_linear(tape<R, On>& t, const value<R>& x, const parameter& W, const parameter& b,
                              std::span<const std::int64_t> labels) {
  return queue_cross_entropy_of_linear(t, x, W, b, labels).read(t);
}

}  // namespace coefdyn::nn
