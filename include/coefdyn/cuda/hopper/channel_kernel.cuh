// SPDX-License-Identifier: MIT
#pragma once

#include "channel_block.cuh"
#include "sweep_rows.cuh"
#include "sweep_state.cuh"

/// The kernel of the pass: one sequence, one head, 64 of the value's columns a block.
namespace coefdyn::cuda::channel {

/// Copies values and pieces into the ring; one thread.
template <int n>
__device__ __forceinline__ void copy_in(const block<n> b) {
  using L = layout<n>;
  const int chunks = b.s.chunks(), value_head = b.head / b.r.value_group;
  const auto stages = b.stages();
  const unsigned char* from = b.pieces();
  typename L::tiles::position slot;
  for (int c = 0; c < chunks; ++c, from += int64_t(b.size.heads) * piece<n>::bytes) {
    const uint32_t to = b.stage(slot.slot), full = stages.full(slot);
    stages.wait_empty(slot);
    stages.expect(slot, L::narrow + piece<n>::bytes);
    ptx::bulk_load(to + L::made, from, piece<n>::bytes, full);
    ptx::tensor_load(to + L::value, &b.r.value, full, 0, static_cast<int>(b.s.row) + c * chunk, b.slice, value_head, b.s.batch);
    slot.next();
  }
}

/// The state's warpgroup: leaves a rounded copy for each chunk's rows, as (value column, key column), then takes the chunk in.
template <int n>
__device__ __forceinline__ void carry_state(const block<n> b, int thread) {
  using L = layout<n>;
  const unit_span& s = b.s;
  const int warp = thread / 32, lane = thread % 32, chunks = s.chunks(), row0 = 16 * warp + lane / 4, column0 = 2 * (lane % 4);
  float state[n / 2];  // (value column, key column) fp32
  sweep::take_state(state, b, row0, column0);
  typename L::tiles::position slot;
  ring<2> at_state;
  for (int c = 0; c < chunks; ++c) {
    const int valid = min(chunk, s.count - c * chunk);
    const uint32_t stage = b.stage(slot.slot);
    b.states().wait_empty(at_state);
    hopper::store_rounded<n>(state, b.state(at_state.slot), L::narrow, 16 * warp, lane);
    ptx::fence_async_shared();
    __syncwarp();
    if (lane == 0) b.states().fill(at_state);
    at_state.next();
    b.stages().wait_full(slot);
    if (b.packed && valid < chunk) b.clear_values(slot.slot, valid, thread, state_barrier);
    uint32_t values[16];  // (value column, token) as left operands
    const uint32_t row = (lane & 7) + ((lane & 16) >> 1), column = 2 * warp + ((lane >> 3) & 1);
#pragma unroll
    for (int k = 0; k < 4; ++k)
      ptx::load_blocks_transposed(*reinterpret_cast<uint32_t(*)[4]>(values + 4 * k), stage + L::value + swizzled(16 * k + row, column));
    const float* const totals = b.totals(slot.slot) + column0;
#pragma unroll
    for (int g = 0; g < n / 8; ++g) {
      const float2 total = *reinterpret_cast<const float2*>(totals + 8 * g);
      state[4 * g] *= total.x, state[4 * g + 1] *= total.y, state[4 * g + 2] *= total.x, state[4 * g + 3] *= total.y;
    }
    ptx::pin(values);
    ptx::product_fence();
    hopper::accumulate<64, n>(state, values, stage + L::key, L::narrow);
    ptx::product_wait<0>();
    ptx::pin(state);
    __syncwarp();
    if (lane == 0) b.stages().release(slot);
    slot.next();
  }
  sweep::give_state(state, b, row0, column0);
}

/// Rows of every second chunk, from chunk `parity` on; a warpgroup.
template <int n>
__device__ __forceinline__ void make_rows(const block<n> b, int parity, int thread) {
  using L = layout<n>;
  const unit_span& s = b.s;
  const int warp = thread / 32, lane = thread % 32, chunks = s.chunks(), barrier = row_barrier + parity;
  typename L::tiles::position slot;
  if (parity) slot.next();
  uint32_t phase = 0;
  for (int c = parity; c < chunks; c += 2, phase ^= 1) {
    const int first = c * chunk, valid = min(chunk, s.count - first);
    const uint32_t stage = b.stage(slot.slot), tile = b.out(parity);
    float o[32];  // (row, value column) fp32
    b.stages().wait_full(slot);
    if (b.packed && valid < chunk) b.clear_values(slot.slot, valid, thread, barrier);
    b.states().wait_full({parity, phase});
    ptx::product_fence();
    hopper::multiply_rows<n, 64>(o, stage + L::query, L::narrow, b.state(parity), L::narrow);
#pragma unroll
    for (int k = 0; k < chunk / 16; ++k)
      ptx::product<ptx::major::inner, ptx::major::outer>(o, ptx::tile_descriptor(stage + L::scores + k * 32, L::narrow),
                                                         ptx::tile_descriptor(stage + L::value + k * 2048, L::narrow), true);
    ptx::product_commit();
    if (thread == 0) ptx::bulk_wait_read<0>();
    ptx::named_sync<128>(barrier);  // the previous tile has left the buffer
    ptx::product_wait<0>();
    ptx::pin(o);
    __syncwarp();
    if (lane == 0) b.states().release({parity, phase}), b.stages().release(slot);
    hopper::store_rounded<64>(o, tile, 0, 16 * warp, lane);
    ptx::fence_async_shared();
    ptx::named_sync<128>(barrier);
    sweep::leave_tile(b, parity, first, valid, thread);
    slot.next();
    slot.next();
  }
  if (thread == 0) ptx::bulk_wait<0>();
}

template <int n>
__global__ __launch_bounds__(threads, 1) void channel_kernel(const __grid_constant__ params p) {
#if COEFDYN_HOPPER
  extern __shared__ unsigned char raw[];
  const int warp = threadIdx.x / 32, slices = p.size.slices;
  const int slice = blockIdx.x % slices, task = blockIdx.x / slices, head = task % p.size.heads;
  block<n> b{p, p.r, p.size, tile_memory(raw), {}, head, slice, bool(p.size.offsets)};
  if (!sweep::locate(p.size, task / p.size.heads, b.s)) return;
  if (threadIdx.x == 0) b.init();
  __syncthreads();
  if (warp < first_row_warp) {
    ptx::registers_raise<sweep::state_registers>();
    carry_state(b, threadIdx.x);
  } else if (warp < copying_warp) {
    ptx::registers_raise<sweep::row_registers>();
    make_rows(b, warp / 4 - 1, threadIdx.x % 128);
  } else {
    ptx::registers_lower<sweep::copying_registers>();
    if (threadIdx.x == 32 * copying_warp) copy_in(b);
  }
#endif
}

}  // namespace coefdyn::cuda::channel
