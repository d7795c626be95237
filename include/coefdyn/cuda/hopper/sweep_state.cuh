// SPDX-License-Identifier: MIT
#pragma once

#include "sweep_block.cuh"

/// The warpgroup that carries a sweep's state: state = carry state + (outer value)' key, chunk by chunk.
namespace coefdyn::cuda::sweep {

/// Two bf16 times two floats.
__device__ __forceinline__ uint32_t scaled(uint32_t x, float2 w) {
  return ptx::pack_bf16(__uint_as_float(x << 16) * w.x, __uint_as_float(x & 0xffff0000u) * w.y);
}

/// f(e, row, column) for register e of a thread: the element of the block's state that it holds.
template <int n, class F>
__device__ __forceinline__ void each_state_element(int row0, int column0, F&& f) {
#pragma unroll
  for (int e = 0; e < n / 2; ++e) f(e, row0 + ((e & 2) ? 8 : 0), 8 * (e / 4) + column0 + (e & 1));
}

/// Adds <state, checkpoint> of the block into flux.
template <int n>
__device__ __forceinline__ void add_flux(const float (&state)[n / 2], const uint4* from, float* to, float* partial, int thread) {
  float sum = 0.f;
#pragma unroll
  for (int b = 0; b < n / 16; ++b) {
    const uint4 x = from[b * 128 + thread];
    const uint32_t word[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
    for (int e = 0; e < 4; ++e)
      sum += state[8 * b + 2 * e] * __uint_as_float(word[e] << 16) + state[8 * b + 2 * e + 1] * __uint_as_float(word[e] & 0xffff0000u);
  }
#pragma unroll
  for (int step = 16; step; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
  if (thread % 32 == 0) partial[thread / 32] = sum;
  ptx::named_sync<128>(state_barrier);
  if (thread == 0) *to = partial[0] + partial[1] + partial[2] + partial[3];
  ptx::named_sync<128>(state_barrier);
}

/// Writes a rounded copy of the state in fragment order.
template <int n>
__device__ __forceinline__ void keep_checkpoint(const float (&state)[n / 2], uint4* to) {
#pragma unroll
  for (int b = 0; b < n / 16; ++b)
    to[b * 128] = make_uint4(ptx::pack_bf16(state[8 * b], state[8 * b + 1]), ptx::pack_bf16(state[8 * b + 2], state[8 * b + 3]),
                             ptx::pack_bf16(state[8 * b + 4], state[8 * b + 5]), ptx::pack_bf16(state[8 * b + 6], state[8 * b + 7]));
}

/// The values of a chunk, faded to its end, as left operands (value column, key).
__device__ __forceinline__ void fade_values(uint32_t (&faded)[16], uint32_t value, const float* outer, int warp, int lane, int column0) {
  const uint32_t row = (lane & 7) + ((lane & 16) >> 1), block = 2 * warp + ((lane >> 3) & 1);
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    uint32_t t[4];
    ptx::load_blocks_transposed(t, value + swizzled(16 * k + row, block));
    const float2 lo = *reinterpret_cast<const float2*>(outer + 16 * k + column0);
    const float2 hi = *reinterpret_cast<const float2*>(outer + 16 * k + 8 + column0);
#pragma unroll
    for (int e = 0; e < 4; ++e) faded[4 * k + e] = scaled(t[e], e < 2 ? lo : hi);
  }
}

/// The state that enters the unit: the caller's, or zero.
template <class Block>
__device__ __forceinline__ void take_state(float (&state)[Block::columns / 2], const Block b, int row0, int column0) {
  const role& r = b.r;
  const int64_t owner = b.owner(r.in_per_unit);
  const int64_t start = r.reverse ? max(int64_t(0), (b.s.length - 1) / b.size.unit * b.size.unit) : 0;
  const bool takes = r.state_in && (r.in_per_unit || b.s.first == start);
  each_state_element<Block::columns>(row0, column0, [&](int e, int row, int column) {
    state[e] = takes ? r.state_in[owner * r.state_size + (b.slice * 64 + row) * r.state_row + column * r.state_column] : 0.f;
  });
}
/// The one that leaves it, where somebody wants it.
template <class Block>
__device__ __forceinline__ void give_state(const float (&state)[Block::columns / 2], const Block b, int row0, int column0) {
  const role& r = b.r;
  const bool gives = r.state_out && (r.out_per_unit || (r.reverse ? b.s.first == 0 : b.s.ends()));
  const int64_t owner = b.owner(r.out_per_unit);
  if (gives)
    each_state_element<Block::columns>(row0, column0, [&](int e, int row, int column) {
      r.state_out[owner * r.state_size + (b.slice * 64 + row) * r.state_row + column * r.state_column] = state[e];
    });
}

/// The state's warpgroup: leaves a rounded copy for each chunk's rows, as (value column, key column), then takes the chunk in.
template <int n, bool emit, bool probe>
__device__ __forceinline__ void carry_state(const block<n, emit, probe> b, int thread) {
  using L = layout<n, emit, probe>;
  const role& r = b.r;
  const sizes& size = b.size;
  const unit_span& s = b.s;
  const int warp = thread / 32, lane = thread % 32, chunks = s.chunks(), row0 = 16 * warp + lane / 4, column0 = 2 * (lane % 4);
  float state[n / 2], unit_carry = 1.f;  // (value column, key column) fp32
  take_state(state, b, row0, column0);
  typename tile_pipeline<L::stages>::position slot;
  ring<2> at_state;
  for (int c = 0; c < chunks; ++c) {
    const int index = r.reverse ? chunks - 1 - c : c, valid = min(chunk, s.count - index * chunk);
    const bool block_end = index % flux_chunks == flux_chunks - 1 || index == chunks - 1;
    const int64_t block = static_cast<int64_t>(s.block0 + index / flux_chunks) * size.heads + b.head;
    const uint32_t stage = b.stage(slot.slot);
    if constexpr (emit) {
      b.states().wait_empty(at_state);
      hopper::store_rounded<n>(state, b.state(at_state.slot), L::narrow, 16 * warp, lane);
      ptx::fence_async_shared();
      __syncwarp();
      if (lane == 0) b.states().fill(at_state);
      at_state.next();
    }
    if constexpr (probe)
      if (r.checkpoint_in && block_end)
        add_flux<n>(state, r.checkpoint_in + (block * size.slices + b.slice) * (n / 16 * 128),
                    r.flux + b.slice * flux_block_count(size) * size.heads + block, b.partial(), thread);
    b.stages().wait_full(slot);
    if (b.packed && valid < chunk) clear_tail(b, slot.slot, valid, thread, state_barrier);
    const factors& f = b.numbers(slot.slot);
    uint32_t faded[16];
    fade_values(faded, stage + L::value, f.outer, warp, lane, column0);
    const float carry = f.carry;
    unit_carry *= carry;
#pragma unroll
    for (int e = 0; e < n / 2; ++e) state[e] *= carry;
    ptx::product_fence();
    hopper::accumulate<64, n>(state, faded, stage + L::key, L::narrow);
    ptx::product_wait<0>();
    ptx::pin(state);
    __syncwarp();
    if (lane == 0) b.stages().release(slot);
    slot.next();
    if constexpr (probe)
      if (r.checkpoint_out && block_end)
        keep_checkpoint<n>(state, r.checkpoint_out + (block * size.slices + b.slice) * (n / 16 * 128) + thread);
  }
  give_state(state, b, row0, column0);
  if (r.carry_total && thread == 0 && b.slice == 0) r.carry_total[static_cast<int64_t>(s.unit) * size.heads + b.head] = unit_carry;
}

}  // namespace coefdyn::cuda::sweep
