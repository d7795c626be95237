// SPDX-License-Identifier: MIT
#pragma once

#include "delta_block.cuh"
#include "sweep_state.cuh"

/// The warpgroup that carries the state and solves for what is written, chunk by chunk: x = b v - beta E state k, w = T x = x + (T - 1) x,
/// state = carry state + (outer w)' key. All of it has value columns as rows and tokens as columns.
namespace coefdyn::cuda::delta {

/// A warp's rows of fragments (64, columns) into a tile, `first` its first row; as store_rounded.
template <int columns>
__device__ __forceinline__ void store_operand(const uint32_t (&a)[columns / 4], uint32_t tile, uint32_t panel, int first, int lane) {
#pragma unroll
  for (int k = 0; k < columns / 16; ++k)
    ptx::store_blocks(tile + (k / 4) * panel + swizzled(first + (lane & 15), 2 * (k % 4) + (lane >> 4)), a[4 * k], a[4 * k + 1],
                      a[4 * k + 2], a[4 * k + 3]);
}
/// Row and block of a lane's 16 bytes where a tile (token, value column) is read or written as fragments (value column, token).
__device__ __forceinline__ uint32_t turned(int k, int warp, int lane) {
  return swizzled(16 * k + (lane & 7) + ((lane & 16) >> 1), 2 * warp + ((lane >> 3) & 1));
}

/// A number of each of a thread's tokens 8 b + column0 and the next, b from 0 to 7.
__device__ __forceinline__ void load_columns(float (&x)[16], const float* of, int column0) {
#pragma unroll
  for (int b = 0; b < 8; ++b) {
    const float2 two = *reinterpret_cast<const float2*>(of + 8 * b + column0);
    x[2 * b] = two.x, x[2 * b + 1] = two.y;
  }
}

/// z = state k to b v - m z, and that as left operands (value column, token). v: the values as such.
__device__ __forceinline__ void correct_values(uint32_t (&x)[16], float (&z)[32], const uint32_t (&v)[16], const float (&b)[16],
                                               const float (&m)[16]) {
#pragma unroll
  for (int e = 0; e < 16; ++e) {  // tokens 8 (e / 2) + column0 and the next
    const int at = e / 2 * 2;
    z[2 * e] = fmaf(b[at], __uint_as_float(v[e] << 16), -m[at] * z[2 * e]);
    z[2 * e + 1] = fmaf(b[at + 1], __uint_as_float(v[e] & 0xffff0000u), -m[at + 1] * z[2 * e + 1]);
    x[e] = ptx::pack_bf16(z[2 * e], z[2 * e + 1]);
  }
}

/// What rounding left out of x beside a, as left operands too.
__device__ __forceinline__ void left_out(uint32_t (&rest)[16], const float (&x)[32], const uint32_t (&a)[16]) {
#pragma unroll
  for (int e = 0; e < 16; ++e)
    rest[e] = ptx::pack_bf16(x[2 * e] - __uint_as_float(a[e] << 16), x[2 * e + 1] - __uint_as_float(a[e] & 0xffff0000u));
}

/// w faded to the chunk's end, as left operands (value column, token).
__device__ __forceinline__ void fade_writes(uint32_t (&faded)[16], const float (&w)[32], const float (&outer)[16]) {
#pragma unroll
  for (int e = 0; e < 16; ++e) faded[e] = ptx::pack_bf16(w[2 * e] * outer[e / 2 * 2], w[2 * e + 1] * outer[e / 2 * 2 + 1]);
}

/// Drops what tokens from `valid` on would write.
__device__ __forceinline__ void drop_tail(float (&w)[32], int valid, int column0) {
#pragma unroll
  for (int e = 0; e < 32; ++e) w[e] = 8 * (e / 4) + column0 + (e & 1) < valid ? w[e] : 0.f;
}

/// Leaves left operands (value column, token) for other warpgroups, as (token, value column); w as such.
__device__ __forceinline__ void store_writes(const uint32_t (&a)[16], uint32_t tile, int warp, int lane) {
#pragma unroll
  for (int k = 0; k < 4; ++k)
    ptx::store_blocks_transposed(tile + turned(k, warp, lane), a[4 * k], a[4 * k + 1], a[4 * k + 2], a[4 * k + 3]);
}

__device__ __forceinline__ void store_writes(const float (&w)[32], uint32_t tile, int warp, int lane) {
  uint32_t a[16];
  hopper::round_operand<32>(a, w);
  store_writes(a, tile, warp, lane);
}

/// Writes a state (value column, key column), rounded as left operands, as tiles for copies into shared memory: of every 64 key columns the
/// slices, (64, 64) each; `to`: this slice's first. Four lanes exchange what makes 16 bytes of a row.
template <int n>
__device__ __forceinline__ void keep_state(const uint32_t (&rounded)[n / 4], unsigned char* to, int slices, int warp, int lane) {
  const int lane4 = lane % 4;
  const bool odd = lane & 1, upper = lane & 2;
#pragma unroll
  for (int g = 0; g < n / 16; ++g) {  // four blocks of eight columns, rows row0 or row0 + 8
    const int first = g / 2 * 4, row = 16 * warp + lane / 4 + 8 * (g % 2);
    uint32_t x[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) x[i] = rounded[2 * (first + i) + g % 2];
#pragma unroll
    for (int i = 0; i < 4; i += 2) {
      const uint32_t other = __shfl_xor_sync(~0u, odd ? x[i] : x[i + 1], 1);
      (odd ? x[i] : x[i + 1]) = other;
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const uint32_t other = __shfl_xor_sync(~0u, upper ? x[i] : x[i + 2], 2);
      (upper ? x[i] : x[i + 2]) = other;
    }
    unsigned char* const tile = to + first / 8 * int64_t(slices) * (sweep::chunk * hopper::row_bytes);
    *reinterpret_cast<uint4*>(tile + swizzled(row, first % 8 + lane4)) = make_uint4(x[0], x[1], x[2], x[3]);
  }
}

template <int n, gives what>
__device__ __forceinline__ void carry_state(const block<n, what> b, int thread) {
  using L = layout<n, what>;
  const unit_span& s = b.s;
  const int warp = thread / 32, lane = thread % 32, chunks = s.chunks(), row0 = 16 * warp + lane / 4, column0 = 2 * (lane % 4);
  float state[n / 2];  // (value column, key column) fp32
  sweep::take_state(state, b, row0, column0);
  typename tile_pipeline<L::stages>::position slot;
  ring<2> at;
  if (chunks) b.stages().wait_full(slot);
  for (int c = 0; c < chunks; ++c) {
    const int valid = min(chunk, s.count - c * chunk);
    const uint32_t stage = b.stage(slot.slot);
    const factors& f = b.numbers(slot.slot);
    uint32_t rounded[n / 4], v[16], x[16];
    float w[32], m[16], given[16];  // w (value column, token): state k, then x, then what is written
    hopper::round_operand<n / 2>(rounded, state);
    if (b.packed && valid < chunk) sweep::clear_tail(b, slot.slot, valid, thread, state_barrier);
    ptx::pin(rounded);
    ptx::product_fence();
    hopper::multiply_rows<n, 64>(w, rounded, stage + L::key, L::narrow);
    if constexpr (what == gives::writes) keep_state<n>(rounded, b.states(c), b.size.slices, warp, lane);
#pragma unroll
    for (int k = 0; k < 4; ++k)
      ptx::load_blocks_transposed(*reinterpret_cast<uint32_t(*)[4]>(v + 4 * k), stage + L::value + turned(k, warp, lane));
    load_columns(m, f.corrected, column0);
    if constexpr (what == gives::rows) {
      b.states().wait_empty(at);
      store_operand<n>(rounded, b.state(at.slot), L::narrow, 16 * warp, lane);
      ptx::fence_async_shared();
      __syncwarp();
      if (lane == 0) b.states().fill(at);
    }
    ptx::product_wait<0>();
    ptx::pin(w);
    load_columns(given, f.given, column0);
    correct_values(x, w, v, given, m);
    if constexpr (what == gives::writes) left_out(v, w, x), ptx::pin(v);
    ptx::pin(x);
    ptx::pin(w);
    ptx::product_fence();
    hopper::add_rows<64, 64>(w, x, stage + L::inverse, L::narrow);  // T - 1: x itself is added as it is
    if constexpr (what == gives::writes) {  // backward takes differences of what follows: with what rounding leaves out
      hopper::add_rows<64, 64>(w, v, stage + L::inverse, L::narrow);
      hopper::add_rows<64, 64>(w, x, stage + L::rest, L::narrow);
    }
    load_columns(m, f.outer, column0);
    const float carry = f.carry;
#pragma unroll
    for (int e = 0; e < n / 2; ++e) state[e] *= carry;
    ptx::pin(state);
    ptx::product_wait<0>();
    ptx::pin(w);
    if (valid < chunk) drop_tail(w, valid, column0);
    fade_writes(x, w, m);
    ptx::pin(x);
    ptx::product_fence();
    hopper::accumulate<64, n>(state, x, stage + L::key, L::narrow);
    b.writes().wait_empty(at);
    store_writes(w, b.written(at.slot), warp, lane);
    if constexpr (what == gives::writes) {
      hopper::round_operand<32>(x, w);
      left_out(v, w, x);
      store_writes(v, b.written(at.slot) + L::narrow, warp, lane);
    }
    ptx::fence_async_shared();
    __syncwarp();
    if (lane == 0) b.writes().fill(at);
    at.next();
    const auto done = slot;
    slot.next();
    if (c + 1 < chunks) b.stages().wait_full(slot);
    ptx::product_wait<0>();
    ptx::pin(state);
    __syncwarp();
    if (lane == 0) b.stages().release(done);
  }
  sweep::give_state(state, b, row0, column0);
}

}  // namespace coefdyn::cuda::delta
