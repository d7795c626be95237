// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

/// Running sums over the threads of a warp and of a block, in a fixed order.
namespace coefdyn::cuda::hopper {

/// Inclusive sums over a warp's lanes from the first on.
__device__ __forceinline__ float sum_so_far(float x, int lane) {
#pragma unroll
  for (int step = 1; step < 32; step *= 2) {
    const float other = __shfl_up_sync(~0u, x, step);
    if (lane >= step) x += other;
  }
  return x;
}
/// Inclusive sums over a warp's lanes from the last on.
__device__ __forceinline__ float sum_from_end(float x, int lane) {
#pragma unroll
  for (int step = 1; step < 32; step *= 2) {
    const float other = __shfl_down_sync(~0u, x, step);
    if (lane + step < 32) x += other;
  }
  return x;
}

/// Sums of a block's warps, in shared memory.
template <int width>
struct warp_totals {
  static constexpr int warps = width / 32;
  float total[warps];
  /// Every warp leaves its sum, by the lane that has it (`mine`).
  __device__ __forceinline__ void leave(float sum, int warp, bool mine) {
    if (mine) total[warp] = sum;
    __syncthreads();
  }
  /// x and the sums of the warps before `warp`, or behind it.
  __device__ __forceinline__ float add_before(float x, int warp) const {
    for (int w = 0; w < warp; ++w) x += total[w];
    return x;
  }
  __device__ __forceinline__ float add_behind(float x, int warp) const {
    for (int w = warps - 1; w > warp; --w) x += total[w];
    return x;
  }
  /// The sums of the warps behind `warp`, and of all.
  __device__ __forceinline__ void from_end(int warp, float& behind, float& all) const {
    behind = all = 0.f;
    for (int w = warps - 1; w >= 0; --w) {
      if (w > warp) behind += total[w];
      all += total[w];
    }
  }
};

}  // namespace coefdyn::cuda::hopper
