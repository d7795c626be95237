// SPDX-License-Identifier: MIT
#pragma once
#include "linear.hpp"
#include "loss.hpp"

namespace coefdyn::nn {

namespace detail {
/// Logits of a chunk of rows against a whole vocabulary, and what becomes of them; W [V, D].
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
  /// f(row of the chunk), each worker some rows.
  template <class F>
  void each_row(idx count, F f) const {
    t.each((count + rows_together - 1) / rows_together, [&](idx block, int) {
      for (idx i = block * rows_together; i < std::min(count, (block + 1) * rows_together); ++i) f(i);
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
}  // namespace detail

/// Bytes of the step's memory that `cross_entropy_of_linear` takes for N rows and V words, beyond x: logits of 128 rows at most, and a
/// loss and a verdict for each row. Logits of all rows and their gradient, as `linear` and `cross_entropy` keep them, are 2 N V numbers.
template <class R>
constexpr std::size_t cross_entropy_of_linear_bytes(idx rows, idx words) {
  const auto lines = [](std::size_t bytes) { return (bytes + 63) / 64 * 64; };
  return lines(sizeof(R) * static_cast<std::size_t>(std::min(rows, detail::vocabulary_chunk<R>::rows) * words)) +
         lines(sizeof(double) * static_cast<std::size_t>(rows)) + lines(static_cast<std::size_t>(rows));
}

/// Mean cross entropy of the logits W x + b without logits of all rows in memory: rows pass in chunks, forward and backward at once. The
/// same numbers as cross_entropy(t, linear(t, x, W, b), labels), to rounding. Where the tape records, the gradient of W, b and x is added
/// at once: call it last, `backward` of the tape follows.
///
/// shape   x (rows, D), W [V, D], b [V] or none, labels (rows)
/// memory  cross_entropy_of_linear_bytes<R>(rows, V)
/// error   invalid_input where x has another width than W; for labels of another number, or outside 0 .. V - 1
template <class R, class On>
score cross_entropy_of_linear(tape<R, On>& t, const value<R>& x, const parameter& W, const parameter& b,
                              std::span<const std::int64_t> labels) {
  if (x.columns != W.columns) throw invalid_input("x of a projection", std::to_string(W.columns) + " columns", std::to_string(x.columns));
  score s;
  s.counted = detail::count_labels(labels, x.rows(), W.rows);
  const idx N = x.rows(), V = W.rows;
  static_assert(tape<R, On>::is_host, "coefdyn: cross_entropy_of_linear runs on the CPU.");
  using chunk = detail::vocabulary_chunk<R, On>;
  const chunk c{t, x, W, b, t.template take<R>(std::min(N, chunk::rows) * V)};
  double* const loss = t.template take<double>(N);
  bool* const right = t.template take<bool>(N);
  const R share = s.counted ? R(1) / R(s.counted) : R(0);
  for (idx first = 0; first < N; first += chunk::rows) {
    const idx count = std::min(chunk::rows, N - first);
    c.make_logits(first, count);
    c.each_row(count, [&](idx i) {
      R* const row = c.logits + i * V;
      const std::int64_t label = labels[static_cast<std::size_t>(first + i)];
      loss[first + i] = 0, right[first + i] = false;
      if (label == ignored) {
        std::fill_n(row, V, R(0));
        return;
      }
      const R sum = detail::log_of_sum(row, V);
      loss[first + i] = double(sum - row[label]);
      right[first + i] = std::max_element(row, row + V) == row + label;
      for (idx v = 0; v < V && t.records(); ++v) row[v] = share * (std::exp(row[v] - sum) - R(v == label));
    });
    if (t.records() && s.counted) c.pull(first, count);
  }
  for (idx i = 0; i < N; ++i) {
    if (labels[static_cast<std::size_t>(i)] == ignored) continue;
    s.loss += loss[i] / double(s.counted), s.correct += right[i];
  }
  return s;
}

}  // namespace coefdyn::nn
