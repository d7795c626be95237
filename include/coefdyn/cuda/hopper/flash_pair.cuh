// SPDX-License-Identifier: MIT
#pragma once

#include "flash_decay.cuh"

/// What the two backward kernels of the parallel form share: their arguments, and the gradient of one pair.
namespace coefdyn::cuda::flash {

struct backward_params : call {
  mapped dy;
  mapped dq, dk, dv;
  const float* row_sum;           // (batch, heads, time): of the forward
  const float* delta;             // (batch, heads, time): dy . y
  float *row_gate, *column_gate;  // (batch, heads, time): sums of score times its gradient
};

/// Weight and score gradient of one pair from its score, its saved row numbers and dy . v.
template <class phi, normaliser norm>
struct pair_gradient {
  float scale, constant;
  /// `sum` is log2 of the sum for maps with a maximum, otherwise 1 / sum; returns the normalised weight.
  __device__ __forceinline__ float weight(float s, float sum) const {
    if constexpr (phi::needs_max) return ptx::exp2_fast(fmaf(s, scale * log2_e, -sum));
    else return phi::apply(s * scale) * (norm == normaliser::sum ? sum : constant);
  }
  __device__ __forceinline__ float slope(float s, float weight, float sum, float dp, float delta) const {
    if constexpr (phi::needs_max) return weight * (dp - delta);
    else if constexpr (norm == normaliser::sum) return phi::derivative(s * scale) * (dp - delta) * sum;
    else return phi::derivative(s * scale) * dp * constant;
  }
};

/// The saved row number as pair_gradient wants it.
template <class phi, normaliser norm>
__device__ __forceinline__ float row_number(float saved) {
  if constexpr (phi::needs_max || norm == normaliser::constant) return saved;
  else return saved == 0.f ? 0.f : 1.f / saved;
}

/// Leaves the sums of a thread's two rows of scores times their gradients; `row`: of the sequence, the first of the two.
__device__ __forceinline__ void write_gate_sums(const float (&sum)[2], float scale, float* line, int64_t row, int64_t length, int lane) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float total = sum_row(sum[r]) * scale;
    if (lane % 4 == 0 && row + 8 * r < length) line[row + 8 * r] = total;
  }
}

}  // namespace coefdyn::cuda::flash
