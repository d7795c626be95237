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

/// Zeroes the rows past `valid` of all tiles; they hold another sequence's tokens. Each reading warpgroup does so for itself.
template <int n>
__device__ void clear_rows(const block<n, gives::gradient>& b, int slot, int valid, int thread, int barrier) {
  using L = layout<n, gives::gradient>;
  unsigned char* const tile = b.memory.generic + slot * L::stage;
  for (int row = valid + thread / 8; row < chunk; row += 16)
#pragma unroll
    for (uint32_t panel = 0; panel < L::stage; panel += L::narrow)
      *reinterpret_cast<uint4*>(tile + panel + row * 128 + (thread % 8) * 16) = uint4{};
  ptx::fence_async_shared();
  ptx::named_sync<128>(barrier);
}

/// What a chunk's dy gives dw, in fp32: a thread's accumulators (value column, token), four by four.
__device__ __forceinline__ float4* direct_part(unsigned char* at, int i, int thread) {
  return reinterpret_cast<float4*>(at) + i * 128 + thread;
}

/// dS's warpgroup.
template <int n>
__device__ __forceinline__ void carry_gradient(const block<n, gives::gradient> b, int thread) {
  using L = layout<n, gives::gradient>;
  const unit_span& s = b.s;
  const int warp = thread / 32, lane = thread % 32, chunks = s.chunks(), row0 = 16 * warp + lane / 4, column0 = 2 * (lane % 4);
  float state[n / 2];  // (value column, key column) fp32
  sweep::take_state(state, b, row0, column0);
  typename tile_pipeline<L::stages>::position slot;
  ring<2> at;
  if (chunks) b.stages().wait_full(slot);
  for (int c = chunks - 1; c >= 0; --c) {
    const int valid = min(chunk, s.count - c * chunk);
    const uint32_t stage = b.stage(slot.slot);
    const factors& f = b.numbers(slot.slot);
    uint32_t rounded[n / 4], dy[16], x[16], rest[16];
    float w[32], m[16];  // w (value column, token): dS' k, then dw, then dx
    hopper::round_operand<n / 2>(rounded, state);
    if (b.packed && valid < chunk) clear_rows(b, slot.slot, valid, thread, state_barrier);
    ptx::pin(rounded);
    ptx::product_fence();
    hopper::multiply_rows<n, 64>(w, rounded, stage + L::key, L::narrow);
    load_columns(m, f.given, column0);
#pragma unroll
    for (int k = 0; k < 4; ++k)
      ptx::load_blocks_transposed(*reinterpret_cast<uint32_t(*)[4]>(dy + 4 * k), stage + L::value + turned(k, warp, lane));
#pragma unroll
    for (int e = 0; e < 16; ++e) dy[e] = sweep::scaled(dy[e], make_float2(m[e / 2 * 2], m[e / 2 * 2 + 1]));
    const float carry = f.carry;
#pragma unroll
    for (int e = 0; e < n / 2; ++e) state[e] *= carry;
    ptx::pin(state);
    ptx::pin(dy);
    ptx::product_fence();
    hopper::accumulate<64, n>(state, dy, stage + L::query, L::narrow);
    keep_state<n>(rounded, b.states(c), b.size.slices, warp, lane);
    load_columns(m, f.outer, column0);
    b.states().wait_full(at);
    ptx::product_wait<1>();
    ptx::pin(w);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float4 z = *direct_part(b.memory.generic + L::state + at.slot * L::given, i, thread);
      w[4 * i] = fmaf(w[4 * i], m[2 * i], z.x), w[4 * i + 1] = fmaf(w[4 * i + 1], m[2 * i + 1], z.y);
      w[4 * i + 2] = fmaf(w[4 * i + 2], m[2 * i], z.z), w[4 * i + 3] = fmaf(w[4 * i + 3], m[2 * i + 1], z.w);
    }
    __syncwarp();
    if (lane == 0) b.states().release(at);
    hopper::round_operand<32>(x, w);
    left_out(rest, w, x);
    ptx::pin(x);
    ptx::pin(rest);
    ptx::pin(w);
    ptx::product_fence();
    hopper::accumulate<64, 64>(w, x, stage + L::inverse, L::narrow);  // T - 1: dw itself is added as it is
    hopper::accumulate<64, 64>(w, rest, stage + L::inverse, L::narrow);
    hopper::accumulate<64, 64>(w, x, stage + L::rest, L::narrow);
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
    const auto done = slot;
    slot.next();
    if (c > 0) b.stages().wait_full(slot);
    ptx::product_wait<0>();
    ptx::pin(state);
    __syncwarp();
    if (lane == 0) b.stages().release(done);
  }
  sweep::give_state(state, b, row0, column0);
}

/// What every second chunk's dy gives dw, sum_i r_i decay (q_i . k_j) dy_i, for dS's warpgroup, and dx of the one before out, so that the
/// chain is never waited for; a warpgroup.
template <int n>
__device__ __forceinline__ void make_direct_parts(const block<n, gives::gradient> b, int parity, int thread) {
  using L = layout<n, gives::gradient>;
  const unit_span& s = b.s;
  const int warp = thread / 32, lane = thread % 32, chunks = s.chunks(), barrier = row_barrier + parity;
  typename tile_pipeline<L::stages>::position slot;
  if (parity) slot.next();
  uint32_t phase = 0;
  int before = -1;
  for (int c = chunks - 1 - parity; c >= 0; c -= 2, phase ^= 1) {
    const int valid = min(chunk, s.count - c * chunk);
    const uint32_t stage = b.stage(slot.slot), tile = b.state(parity);
    const factors& f = b.numbers(slot.slot);
    float p[32];  // (row, key), then (value column, token)
    uint32_t scores[16], rest[16], dy[16];
    b.stages().wait_full(slot);
    if (b.packed && valid < chunk) clear_rows(b, slot.slot, valid, thread, barrier);
    ptx::product_fence();
    hopper::multiply_rows<n, 64>(p, stage + L::query, L::narrow, stage + L::key, L::narrow);
#pragma unroll
    for (int k = 0; k < 4; ++k)
      ptx::load_blocks_transposed(*reinterpret_cast<uint32_t(*)[4]>(dy + 4 * k), stage + L::value + turned(k, warp, lane));
    ptx::product_wait<0>();
    ptx::pin(p);
    weigh_scores(p, f, valid, warp, lane, [&](int b, const float(&w)[4]) {
#pragma unroll
      for (int e = 0; e < 4; ++e) p[4 * b + e] = w[e];
    });
    hopper::round_operand<32>(scores, p);
    left_out(rest, p, scores);
    __syncwarp();
    if (lane == 0) b.stages().release(slot);
    b.states().wait_empty({parity, phase});
    store_operand<64>(scores, tile, 0, 16 * warp, lane);
    store_operand<64>(rest, tile + L::narrow, 0, 16 * warp, lane);
    ptx::fence_async_shared();
    ptx::named_sync<128>(barrier);
#pragma unroll
    for (float& x : p) x = 0.f;
    ptx::pin(p);
    ptx::pin(dy);
    ptx::product_fence();
    hopper::accumulate<64, 64>(p, dy, tile, L::narrow);
    hopper::accumulate<64, 64>(p, dy, tile + L::narrow, L::narrow);
    ptx::product_wait<0>();
    ptx::pin(p);
    ptx::named_sync<128>(barrier);  // all have read the scores
#pragma unroll
    for (int i = 0; i < 8; ++i)
      *direct_part(b.memory.generic + L::state + parity * L::given, i, thread) =
          make_float4(p[4 * i], p[4 * i + 1], p[4 * i + 2], p[4 * i + 3]);
    __syncwarp();
    if (lane == 0) b.states().fill({parity, phase});
    if (before >= 0) store_chunk(b, parity, phase ^ 1, before, thread);
    before = c;
    slot.next();
    slot.next();
  }
  if (before >= 0) store_chunk(b, parity, phase ^ 1, before, thread);
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
    make_direct_parts(b, warp / 4 - 1, threadIdx.x % 128);
  } else {
    ptx::registers_lower<registers<gives::gradient>.copies>();
    if (threadIdx.x == 32 * copying_warp) copy_in(b);
    if (warp >= first_number_warp) number_in(b, warp - first_number_warp, lane);
  }
#endif
}

}  // namespace coefdyn::cuda::delta
