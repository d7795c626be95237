// SPDX-License-Identifier: MIT
#pragma once
#include "../cpu/products/products.hpp"
#include "tape.hpp"

namespace coefdyn::nn {

/// y = W x + b on every row; W [out, in], b [out] or none.
///
/// shape   x (rows, in) to y (rows, out); W may be a block of a larger matrix
/// error   invalid_input where x has another width than W
template <class R>
value<R> linear(tape<R>& t, const value<R>& x, const parameter& W, const parameter& b = {}) {
  if (x.columns != W.columns) throw invalid_input("x of a projection", std::to_string(W.columns) + " columns", std::to_string(x.columns));
  const value<R> y = t.make(x.batch, x.time, W.rows);
  const auto p = cpu::products<R>::best();
  const int out = int(W.rows), in = int(W.columns);
  t.by_rows(x.rows(), [&](idx begin, idx end) {
    for (idx i = begin; i < end; ++i)
      if (b) std::copy_n(t.weights(b), out, y.data + i * y.stride);
      else std::fill_n(y.data + i * y.stride, out, R(0));
    p.nt(int(end - begin), out, in, x.data + begin * x.stride, x.stride, t.weights(W), W.stride, y.data + begin * y.stride, y.stride);
  });
  t.record([=](tape<R>& back) {
    if (x.gradient)
      back.by_rows(x.rows(), [&](idx begin, idx end) {
        p.nn(int(end - begin), in, out, y.gradient + begin * y.stride, y.stride, back.weights(W), W.stride, x.gradient + begin * x.stride,
             x.stride);
      });
    back.by_rows(W.rows, [&](idx begin, idx end) {
      p.tn(int(end - begin), in, int(x.rows()), y.gradient + begin, y.stride, x.data, x.stride, back.gradients(W) + begin * W.stride,
           W.stride);
    });
    if (b)
      back.sum_by_rows(x.rows(), W.rows, back.gradients(b), [&](idx begin, idx end, R* sum) {
        for (idx i = begin; i < end; ++i)
          for (idx c = 0; c < W.rows; ++c) sum[c] += y.gradient[i * y.stride + c];
      });
  });
  return y;
}

/// A projection's parameters under their names.
struct projection_parameters {
  parameter weight, bias;
  projection_parameters() = default;
  /// name.weight [out, in] and, if asked for, name.bias [out]; `divided_by` makes its start smaller.
  projection_parameters(const scope& s, const std::string& name, idx in, idx out, bool with_bias, double divided_by = 1)
      : weight(s.matrix(name + ".weight", out, in, start::fan_in(in, divided_by))),
        bias(with_bias ? s.vector(name + ".bias", out, start::constant(0)) : parameter{}) {}
  template <class R>
  value<R> operator()(tape<R>& t, const value<R>& x) const {
    return linear(t, x, weight, bias);
  }
};

}  // namespace coefdyn::nn
