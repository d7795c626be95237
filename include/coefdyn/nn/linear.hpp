// SPDX-License-Identifier: MIT
#pragma once
#include "../cpu/products/products.hpp"
#include "tape.hpp"

namespace coefdyn::nn {

namespace detail {
/// The products of a projection on a device.
template <class R, class On>
struct affine;
template <class R, class Executor>
struct affine<R, device::cpu<Executor>> {
  using tape_type = tape<R, device::cpu<Executor>>;
  /// Rows of one thread: the more, the less often W is brought into the order of the products. It depends on their number alone.
  static constexpr idx together(idx rows) { return rows >= 2048 ? 256 : 64; }
  /// y = W x + b.
  static void forward(tape_type& t, const value<R>& x, const parameter& W, const parameter& b, const value<R>& y) {
    const auto p = cpu::products<R>::best();
    const int out = int(W.rows), in = int(W.columns);
    t.by_rows(
        x.rows(),
        [&](idx begin, idx end) {
          for (idx i = begin; i < end; ++i)
            if (b) std::copy_n(t.weights(b), out, y.data + i * y.stride);
            else std::fill_n(y.data + i * y.stride, out, R(0));
          p.nt(int(end - begin), out, in, x.data + begin * x.stride, x.stride, t.weights(W), W.stride, y.data + begin * y.stride, y.stride);
        },
        together(x.rows()));
  }
  /// dx += W' dy.
  static void to_x(tape_type& t, const value<R>& x, const parameter& W, const value<R>& y) {
    const auto p = cpu::products<R>::best();
    t.by_rows(
        x.rows(),
        [&](idx begin, idx end) {
          p.nn(int(end - begin), int(W.columns), int(W.rows), y.gradient + begin * y.stride, y.stride, t.weights(W), W.stride,
               x.gradient + begin * x.stride, x.stride);
        },
        together(x.rows()));
  }
  /// dW += dy x'.
  static void to_W(tape_type& t, const value<R>& x, const parameter& W, const value<R>& y) {
    const auto p = cpu::products<R>::best();
    t.by_rows(W.rows, [&](idx begin, idx end) {
      p.tn(int(end - begin), int(W.columns), int(x.rows()), y.gradient + begin, y.stride, x.data, x.stride,
           t.gradients(W) + begin * W.stride, W.stride);
    });
  }
};
}  // namespace detail

/// y = W x + b on every row; W [out, in], b [out] or none.
///
/// shape   x (rows, in) to y (rows, out); W may be a block of a larger matrix
/// error   invalid_input where x has another width than W
template <class R, class On>
value<R> linear(tape<R, On>& t, const value<R>& x, const parameter& W, const parameter& b = {}) {
  if (x.columns != W.columns) throw invalid_input("x of a projection", std::to_string(W.columns) + " columns", std::to_string(x.columns));
  const value<R> y = t.make(x.batch, x.time, W.rows);
  detail::affine<R, On>::forward(t, x, W, b, y);
  t.record([=](tape<R, On>& back) {
    if (x.gradient) detail::affine<R, On>::to_x(back, x, W, y);
    detail::affine<R, On>::to_W(back, x, W, y);
    if (b) back.sum_by_rows(x.rows(), W.rows, back.gradients(b), detail::column_sums<R>{y, W.rows});
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
  template <class R, class On>
  value<R> operator()(tape<R, On>& t, const value<R>& x) const {
    return linear(t, x, weight, bias);
  }
};

}  // namespace coefdyn::nn
