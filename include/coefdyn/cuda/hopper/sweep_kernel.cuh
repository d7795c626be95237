// SPDX-License-Identifier: MIT
#pragma once

#include "sweep_fetch.cuh"
#include "sweep_rows.cuh"
#include "sweep_state.cuh"

/// The kernel of a sweep: one unit of a sequence, one head, 64 of the value's columns a block.
namespace coefdyn::cuda::sweep {

template <int n, bool emit, bool probe, bool reverse>
__global__ __launch_bounds__(threads, 1) void sweep_kernel(const __grid_constant__ params p) {
#if COEFDYN_HOPPER
  extern __shared__ unsigned char raw[];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, slices = p.size.slices;
  const int slice = blockIdx.x % slices, task = blockIdx.x / slices / p.parts, head = task % p.size.heads;
  block<n, emit, probe> b{p.part[blockIdx.x / slices % p.parts], p.size, tile_memory(raw), {}, head, slice, bool(p.size.offsets)};
  if (!locate(p.size, task / p.size.heads, b.s)) return;
  if (!emit && p.entering && (reverse ? b.s.first == 0 : b.s.ends())) return;
  if (threadIdx.x == 0) b.init();
  __syncthreads();
  if (warp < first_row_warp) {
    ptx::registers_raise<state_registers>();
    carry_state(b, threadIdx.x);
  } else if (warp < copying_warp) {
    ptx::registers_raise<row_registers>();
    if constexpr (emit) make_rows<reverse>(b, warp / 4 - 1, threadIdx.x % 128);
  } else {
    ptx::registers_lower<copying_registers>();
    if (threadIdx.x == 32 * copying_warp) copy_in(b);
    if (warp >= first_number_warp) number_in(b, warp - first_number_warp, lane);
  }
#endif
}

}  // namespace coefdyn::cuda::sweep
