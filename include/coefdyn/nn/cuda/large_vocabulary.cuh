// SPDX-License-Identifier: MIT
#pragma once
#include "../large_vocabulary.hpp"
#include "linear.cuh"

namespace coefdyn::nn::detail {

/// Chunks of a large vocabulary by cuBLASLt.
template <class R>
struct vocabulary_chunk<R, device::cuda> {
  static constexpr idx rows = 1024, rows_together = 1;
  using products = affine<R, device::cuda>;
  tape<R, device::cuda>& t;
  value<R> x;
  parameter W, bias;
  R* logits;  // (rows, V), then their gradient

  void make_logits(idx first, idx count) const { products::forward(t, x_of(first, count), W, bias, y_of(count)); }
  void pull(idx first, idx count) const {
    const value<R> some = x_of(first, count), y = y_of(count);
    if (x.gradient) products::to_x(t, some, W, y);
    products::to_W(t, some, W, y);
    if (bias) t.sum_by_rows(count, W.rows, t.gradients(bias), column_sums<R>{y, W.rows});
  }

 private:
  value<R> x_of(idx first, idx count) const {
    return {x.data + first * x.stride, x.gradient ? x.gradient + first * x.stride : nullptr, 1, count, x.columns, x.stride};
  }
  value<R> y_of(idx count) const { return {logits, logits, 1, count, W.rows, W.rows}; }
};

}  // namespace coefdyn::nn::detail
