// SPDX-License-Identifier: MIT
#pragma once

#include "delta_fetch.cuh"
#include "delta_rows.cuh"
#include "delta_state.cuh"

/// The kernel of a sweep with a correction: one sequence, one head, 64 of the value's columns a block.
namespace coefdyn::cuda::delta {

template <int n>
__global__ __launch_bounds__(threads, 1) void delta_kernel(const __grid_constant__ params p) {
#if COEFDYN_HOPPER
  extern __shared__ unsigned char raw[];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, slices = p.size.slices;
  const int slice = blockIdx.x % slices, task = blockIdx.x / slices, head = task % p.size.heads;
  block<n> b{p, p.r, p.size, tile_memory(raw), {}, head, slice, bool(p.size.offsets)};
  if (!sweep::locate(p.size, task / p.size.heads, b.s)) return;
  if (threadIdx.x == 0) b.init();
  __syncthreads();
  if (warp < first_row_warp) {
    ptx::registers_raise<state_registers>();
    carry_state(b, threadIdx.x);
  } else if (warp < copying_warp) {
    ptx::registers_raise<row_registers>();
    make_rows(b, warp / 4 - 1, threadIdx.x % 128);
  } else {
    ptx::registers_lower<copying_registers>();
    if (threadIdx.x == 32 * copying_warp) copy_in(b);
    if (warp >= first_number_warp) number_in(b, warp - first_number_warp, lane);
  }
#endif
}

}  // namespace coefdyn::cuda::delta
