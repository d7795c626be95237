// SPDX-License-Identifier: MIT
#pragma once

#include "delta_fetch.cuh"
#include "delta_rows.cuh"
#include "delta_state.cuh"

/// The kernel of a sweep with a correction: one sequence, one head, 64 of the value's columns a block; gives y, or w.
namespace coefdyn::cuda::delta {

template <int n, gives what>
__global__ __launch_bounds__(threads, 1) void delta_kernel(const __grid_constant__ params p) {
#if COEFDYN_HOPPER
  extern __shared__ unsigned char raw[];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, slices = p.size.slices;
  const int slice = blockIdx.x % slices, task = blockIdx.x / slices, head = task % p.size.heads;
  block<n, what> b{p, p.r, p.size, tile_memory(raw), {}, head, slice, bool(p.size.offsets)};
  if (!sweep::locate(p.size, task / p.size.heads, b.s)) return;
  if (threadIdx.x == 0) b.init();
  __syncthreads();
  if (warp < first_row_warp) {
    ptx::registers_raise<registers<what>.state>();
    carry_state(b, threadIdx.x);
  } else if (warp < copying_warp) {
    ptx::registers_raise<registers<what>.rows>();
    if constexpr (what == gives::rows) make_rows(b, warp / 4 - 1, threadIdx.x % 128);
    else store_all(b, warp / 4 - 1, threadIdx.x % 128);
  } else {
    ptx::registers_lower<registers<what>.copies>();
    if (threadIdx.x == 32 * copying_warp) copy_in(b);
    if (warp >= first_number_warp) number_in(b, warp - first_number_warp, lane);
  }
#endif
}

}  // namespace coefdyn::cuda::delta
