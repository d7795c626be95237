// SPDX-License-Identifier: MIT
#pragma once
#include "../linear.hpp"
#include "loops.cuh"

namespace coefdyn::nn::detail {

/// Every row as one vector.
template <class R>
struct repeated_row {
  value<R> y;
  const R* row;
  COEFDYN_HD void operator()(idx i, idx first, idx last) const {
    for (idx c = first; c < last; ++c) y.data[i * y.stride + c] = row[c];
  }
};
/// The products of a projection by cuBLASLt.
template <class R>
struct affine<R, device::cuda> {
  using tape_type = tape<R, device::cuda>;
  static void forward(tape_type& t, const value<R>& x, const parameter& W, const parameter& b, const value<R>& y) {
    if (b) t.elements(y.rows(), y.columns, repeated_row<R>{y, t.weights(b)});
    t.products()(numbers_of(x), false, weights_of(t, W), true, gpu::matrix<R>{y.data, y.rows(), y.columns, y.stride}, bool(b));
  }
  static void to_x(tape_type& t, const value<R>& x, const parameter& W, const value<R>& y) {
    t.products()(slopes_of(y), false, weights_of(t, W), false, gpu::matrix<R>{x.gradient, x.rows(), x.columns, x.stride}, true);
  }
  static void to_W(tape_type& t, const value<R>& x, const parameter& W, const value<R>& y) {
    t.products()(slopes_of(y), true, numbers_of(x), false, gpu::matrix<R>{t.gradients(W), W.rows, W.columns, W.stride}, true);
  }

 private:
  using given = gpu::matrix<const R>;
  static given numbers_of(const value<R>& x) { return {x.data, x.rows(), x.columns, x.stride}; }
  static given slopes_of(const value<R>& y) { return {y.gradient, y.rows(), y.columns, y.stride}; }
  static given weights_of(const tape_type& t, const parameter& W) { return {t.weights(W), W.rows, W.columns, W.stride}; }
};

}  // namespace coefdyn::nn::detail
