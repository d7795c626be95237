// SPDX-License-Identifier: MIT
#pragma once

#include "delta_fetch.cuh"
#include "delta_rows.cuh"
#include "delta_state.cuh"

/// The gradient of what a delta rule writes, in reverse over time. With dS that of the state behind a chunk, F the decay to the chunk's end
/// and E from its start:
///   dw_j = F_j dS' k_j + sum_i r_i decay (q_i . k_j) dy_i,  dx = T' dw,  dS = carry dS + (r E q)' dy - (beta E k)' dx
/// A block has 64 of the value's columns, all of it transposed as in the pass forward. x is b v - beta (what k reads). Where keys are
/// alike, dw of neighbours is too, and dx is what they differ by: scores, T and dw are taken in two parts of bf16.
namespace coefdyn::cuda::delta {

/// Zeroes the rows past `valid` of all tiles; they hold another sequence's tokens.
template <int n>
__device__ void clear_rows(const block<n, gives::gradient>& b, int slot, int valid, int thread) {
  using L = layout<n, gives::gradient>;
  unsigned char* const tile = b.memory.generic + slot * L::stage;
  for (int row = valid + thread / 8; row < chunk; row += 16)
#pragma unroll
    for (uint32_t panel = 0; panel < L::stage; panel += L::narrow)
      *reinterpret_cast<uint4*>(tile + panel + row * 128 + (thread % 8) * 16) = uint4{};
  ptx::fence_async_shared();
  ptx::named_sync<128>(state_barrier);
}

/// dS's warpgroup.
template <int n>
__device__ __forceinline__ void carry_gradient(const block<n, gives::gradient> b, int thread) {
  using L = layout<n, gives::gradient>;
  const unit_span& s = b.s;
  const int warp = thread / 32, lane = thread % 32, chunks = s.chunks(), row0 = 16 * warp + lane / 4, column0 = 2 * (lane % 4);
  float state[n / 2];  // (value column, key column) fp32
  sweep::take_state(state, b, row0, column0);
  ring<L::stages> slot;
  ring<2> at;
  if (chunks) b.stages().wait_full(slot);
  for (int c = chunks - 1; c >= 0; --c) {
    const int valid = min(chunk, s.count - c * chunk);
    const uint32_t stage = b.stage(slot.slot);
    const factors& f = b.numbers(slot.slot);
    uint32_t rounded[n / 4], dy[16], x[16], rest[16];
    float w[32], m[16];  // w (value column, token): dS' k, then dw, then dx
    hopper::round_operand<n / 2>(rounded, state);
    if (b.packed && valid < chunk) clear_rows(b, slot.slot, valid, thread);
    ptx::pin(rounded);
    ptx::product_fence();
    hopper::multiply_rows<n, 64>(w, rounded, stage + L::key, L::narrow);
    keep_state<n>(rounded, b.states(c), b.size.slices, warp, lane);
#pragma unroll
    for (int k = 0; k < 4; ++k)
      ptx::load_blocks_transposed(*reinterpret_cast<uint32_t(*)[4]>(dy + 4 * k), stage + L::value + turned(k, warp, lane));
    load_columns(m, f.outer, column0);
    b.states().wait_full(at);
    ptx::product_wait<0>();
    ptx::pin(w);
#pragma unroll
    for (int e = 0; e < 32; ++e) w[e] *= m[e / 4 * 2 + (e & 1)];
    ptx::pin(w);
    ptx::pin(dy);
    ptx::product_fence();
    hopper::accumulate<64, 64>(w, dy, b.state(at.slot), L::narrow);
    hopper::accumulate<64, 64>(w, dy, b.state(at.slot) + L::narrow, L::narrow);
    load_columns(m, f.given, column0);
    const float carry = f.carry;
#pragma unroll
    for (int e = 0; e < n / 2; ++e) state[e] *= carry;
    ptx::pin(state);
    ptx::product_wait<0>();
    ptx::pin(w);
    __syncwarp();
    if (lane == 0) b.states().release(at);
    hopper::round_operand<32>(x, w);
    left_out(rest, w, x);
#pragma unroll
    for (int e = 0; e < 16; ++e) dy[e] = sweep::scaled(dy[e], make_float2(m[e / 2 * 2], m[e / 2 * 2 + 1]));
    ptx::pin(x);
    ptx::pin(rest);
    ptx::pin(w);
    ptx::pin(dy);
    ptx::product_fence();
    hopper::accumulate<64, 64>(w, x, stage + L::inverse, L::narrow);  // T - 1: dw itself is added as it is
    hopper::accumulate<64, 64>(w, rest, stage + L::inverse, L::narrow);
    hopper::accumulate<64, 64>(w, x, stage + L::rest, L::narrow);
    hopper::accumulate<64, n>(state, dy, stage + L::query, L::narrow);
    load_columns(m, f.corrected, column0);
    ptx::product_wait<0>();
    ptx::pin(w);
    ptx::pin(state);
    fade_writes(x, w, m);
    ptx::pin(x);
    ptx::product_fence();
    hopper::accumulate<64, n>(state, x, stage + L::key, L::narrow);
    b.writes().wait_empty(at);
    store_writes(w, b.written(at.slot), warp, lane);
    ptx::fence_async_shared();
    __syncwarp();
    if (lane == 0) b.writes().fill(at);
    at.next();
    const ring<L::stages> done = slot;
    slot.next();
    if (c > 0) b.stages().wait_full(slot);
    ptx::product_wait<0>();
    ptx::pin(state);
    __syncwarp();
    if (lane == 0) b.stages().release(done);
  }
  sweep::give_state(state, b, row0, column0);
}

/// Scores of every second chunk for dS's warpgroup, as (row, key), and dx out; a warpgroup.
template <int n>
__device__ __forceinline__ void make_scores(const block<n, gives::gradient> b, int parity, int thread) {
  using L = layout<n, gives::gradient>;
  const unit_span& s = b.s;
  const int warp = thread / 32, lane = thread % 32, chunks = s.chunks();
  ring<L::stages> slot;
  if (parity) slot.next();
  uint32_t phase = 0;
  for (int c = chunks - 1 - parity; c >= 0; c -= 2, phase ^= 1) {
    const uint32_t stage = b.stage(slot.slot);
    const factors& f = b.numbers(slot.slot);
    float p[32];
    uint32_t scores[16], rest[16];
    b.stages().wait_full(slot);
    ptx::product_fence();
    hopper::multiply_rows<n, 64>(p, stage + L::query, L::narrow, stage + L::key, L::narrow);
    ptx::product_wait<0>();
    ptx::pin(p);
    weigh_scores(p, f, min(chunk, s.count - c * chunk), warp, lane, [&](int b, const float(&w)[4]) {
#pragma unroll
      for (int e = 0; e < 4; ++e) p[4 * b + e] = w[e];
    });
    hopper::round_operand<32>(scores, p);
    left_out(rest, p, scores);
    __syncwarp();
    if (lane == 0) b.stages().release(slot);
    b.states().wait_empty({parity, phase});
    store_operand<64>(scores, b.state(parity), 0, 16 * warp, lane);
    store_operand<64>(rest, b.state(parity) + L::narrow, 0, 16 * warp, lane);
    ptx::fence_async_shared();
    __syncwarp();
    if (lane == 0) b.states().fill({parity, phase});
    store_chunk(b, parity, phase, c, thread);
    slot.next();
    slot.next();
  }
  if (thread == 0) ptx::bulk_wait<0>();
}

template <int n>
__global__ __launch_bounds__(threads, 1) void reverse_kernel(const __grid_constant__ params p) {
#if COEFDYN_HOPPER
  extern __shared__ unsigned char raw[];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, slices = p.size.slices;
  const int slice = blockIdx.x % slices, task = blockIdx.x / slices, head = task % p.size.heads;
  block<n, gives::gradient> b{p, p.r, p.size, tile_memory(raw), {}, head, slice, bool(p.size.offsets)};
  if (!sweep::locate(p.size, task / p.size.heads, b.s)) return;
  if (threadIdx.x == 0) b.init();
  __syncthreads();
  if (warp < first_row_warp) {
    ptx::registers_raise<registers<gives::gradient>.state>();
    carry_gradient(b, threadIdx.x);
  } else if (warp < copying_warp) {
    ptx::registers_raise<registers<gives::gradient>.rows>();
    make_scores(b, warp / 4 - 1, threadIdx.x % 128);
  } else {
    ptx::registers_lower<registers<gives::gradient>.copies>();
    if (threadIdx.x == 32 * copying_warp) copy_in(b);
    if (warp >= first_number_warp) number_in(b, warp - first_number_warp, lane);
  }
#endif
}

}  // namespace coefdyn::cuda::delta
