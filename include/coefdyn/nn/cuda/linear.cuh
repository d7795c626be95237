// SPDX-License-Identifier: MIT
#pragma once
#include "../../core/low_precision.hpp"
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
/// A matrix in bf16, rows 16 bytes aligned.
struct rounded_row {
  gpu::matrix<const float> from;
  bf16* to;
  idx stride;
  COEFDYN_HD void operator()(idx i, idx first, idx last) const {
    for (idx c = first; c < last; ++c) to[i * stride + c] = bf16(from.data[i * from.stride + c]);
  }
};
/// The products of a projection by cuBLASLt.
template <class R>
struct affine<R, device::cuda> {
  using tape_type = tape<R, device::cuda>;
  static void forward(tape_type& t, const value<R>& x, const parameter& W, const parameter& b, const value<R>& y) {
    if (b) t.elements(y.rows(), y.columns, repeated_row<R>{y, t.weights(b)});
    multiply(t, numbers_of(x), false, weights_of(t, W), true, {y.data, y.rows(), y.columns, y.stride}, bool(b));
  }
  static void to_x(tape_type& t, const value<R>& x, const parameter& W, const value<R>& y) {
    multiply(t, slopes_of(y), false, weights_of(t, W), false, {x.gradient, x.rows(), x.columns, x.stride}, true);
  }
  static void to_W(tape_type& t, const value<R>& x, const parameter& W, const value<R>& y) {
    multiply(t, slopes_of(y), true, numbers_of(x), false, {t.gradients(W), W.rows, W.columns, W.stride}, true);
  }

 private:
  using given = gpu::matrix<const R>;
  /// Rounded ones lie in scratch memory until the product is done.
  static void multiply(tape_type& t, const given& A, bool swap_a, const given& B, bool swap_b, const gpu::matrix<R>& C, bool add) {
    if constexpr (std::is_same_v<R, float>)
      if (t.products().bf16_factors) {
        const idx a = (A.columns + 7) / 8 * 8, b = (B.columns + 7) / 8 * 8;
        const idx first = (A.rows * a + 127) / 128 * 128;
        bf16* const there = reinterpret_cast<bf16*>(t.scratch(sizeof(bf16) * std::size_t(first + B.rows * b)).data());
        t.elements(A.rows, A.columns, rounded_row{A, there, a});
        t.elements(B.rows, B.columns, rounded_row{B, there + first, b});
        t.products()(gpu::matrix<const bf16>{there, A.rows, A.columns, a}, swap_a,
                     gpu::matrix<const bf16>{there + first, B.rows, B.columns, b}, swap_b, C, add);
        return;
      }
    t.products()(A, swap_a, B, swap_b, C, add);
  }
  static given numbers_of(const value<R>& x) { return {x.data, x.rows(), x.columns, x.stride}; }
  static given slopes_of(const value<R>& y) { return {y.gradient, y.rows(), y.columns, y.stride}; }
  static given weights_of(const tape_type& t, const parameter& W) { return {t.weights(W), W.rows, W.columns, W.stride}; }
};

}  // namespace coefdyn::nn::detail
