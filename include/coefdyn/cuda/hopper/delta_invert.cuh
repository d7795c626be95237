// SPDX-License-Identifier: MIT
#pragma once

#include "block_scan.cuh"
#include "fragment.cuh"
#include "ring.cuh"
#include "sweep_fetch.cuh"

/// T = (1 + strictly lower (beta_i exp(decay between i and j) k_i . k_j))^-1 of every chunk, by forward substitution in fp32: in 16 x 16
/// blocks token by token, then block by block with products of 16 bits. No series, so that keys which are nearly equal keep their digits.
namespace coefdyn::cuda::delta {

using sweep::chunk;

/// Who has a chunk's keys and numbers. Strides are in elements.
struct invert_params {
  CUtensorMap key;        // boxes (64, n)
  tensor gate, strength;  // fp32 [B, T, heads reader_group]; gate may be absent
  tensor inverse, rest;   // bf16 [B, T, heads, 64]: row i of T - 1 for token i, by the chunk's tokens
  int heads, key_group, reader_group;
  sequence_offsets offsets;
  int64_t rows;  // tokens of a batch row; of all packed sequences
  int pieces;    // chunks of them
};

/// The system's triangle is floats by rows, `pitch` apart, 16 x 16 blocks of it inverted in place; T - 1 is made beside it. Both pitches
/// put what a warp reads or writes at once into different banks.
inline constexpr int block_width = 16, block_count = chunk / block_width, pitch = chunk + 8, tile_pitch = chunk + 8;
template <int n, bool two>
struct invert_layout {
  static constexpr uint32_t narrow = chunk * hopper::row_bytes, keys = chunk * n * 2, triangle = chunk * pitch * 4;
  static constexpr uint32_t key = 0, lower = 0;  // the triangle lies where the keys were
  static constexpr uint32_t tile = keys > triangle ? keys : triangle, gate = tile + (two ? 2 : 1) * chunk * tile_pitch * 2;
  static constexpr uint32_t strength = gate + chunk * 4, barrier = strength + chunk * 4;
  static constexpr uint32_t dynamic = barrier + 16 + hopper::swizzle_atom;
};

/// The inverse of a block of the diagonal in its place, by forward substitution; a half-warp, a column a lane.
__device__ __forceinline__ void invert_block(float* at, int column) {
  float x[block_width];
#pragma unroll
  for (int i = 0; i < block_width; ++i) {
    float sum[2] = {i == column ? 1.f : 0.f, 0.f};
#pragma unroll
    for (int m = 0; m < i; m += 4) {
      const float4 l = *reinterpret_cast<const float4*>(at + i * pitch + m);
      const float entry[4] = {l.x, l.y, l.z, l.w};
#pragma unroll
      for (int j = 0; j < 4; ++j)
        if (m + j < i) sum[j % 2] = fmaf(-entry[j], x[m + j], sum[j % 2]);
    }
    x[i] = sum[0] + sum[1];
  }
  __syncwarp();
#pragma unroll
  for (int i = 0; i < block_width; ++i) at[i * pitch + column] = x[i];
}

/// Two floats as a bf16 pair and what it leaves out, so that three products of bf16 keep 16 bits.
struct split_pair {
  uint32_t hi, lo;
};
__device__ __forceinline__ split_pair split(float x, float y) {
  const uint32_t hi = ptx::pack_bf16(x, y);
  return {hi, ptx::pack_bf16(x - __uint_as_float(hi << 16), y - __uint_as_float(hi & 0xffff0000u))};
}
/// A 16 x 16 block as a warp's left operand, or as its accumulators: rows lane / 4 and 8 below, pairs of columns from 2 (lane % 4) on.
struct left_block {
  split_pair at[4];
  __device__ __forceinline__ void take(const float (&x)[2][4]) {
#pragma unroll
    for (int e = 0; e < 4; ++e) at[e] = split(x[e / 2][2 * (e % 2)], x[e / 2][2 * (e % 2) + 1]);
  }
};
/// sum += a m', m a block by rows.
__device__ __forceinline__ void add_product(float (&sum)[2][4], const left_block& a, const float* m, int lane) {
  const uint32_t hi[4] = {a.at[0].hi, a.at[1].hi, a.at[2].hi, a.at[3].hi}, lo[4] = {a.at[0].lo, a.at[1].lo, a.at[2].lo, a.at[3].lo};
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float* const row = m + (8 * half + lane / 4) * pitch + 2 * (lane % 4);
    const float2 x = *reinterpret_cast<const float2*>(row), y = *reinterpret_cast<const float2*>(row + 8);
    const split_pair b0 = split(x.x, x.y), b1 = split(y.x, y.y);
    ptx::warp_multiply(sum[half], lo, b0.hi, b1.hi);
    ptx::warp_multiply(sum[half], hi, b0.lo, b1.lo);
    ptx::warp_multiply(sum[half], hi, b0.hi, b1.hi);
  }
}
/// A block's transpose, rounded, into the tile; `two`: and what is left out into the next tile.
template <bool two>
__device__ __forceinline__ void leave_block(const float (&x)[2][4], bf16* tile, int lane) {
#pragma unroll
  for (int e = 0; e < 8; ++e) {
    bf16* const to = tile + (8 * (e / 4) + 2 * (lane % 4) + (e & 1)) * tile_pitch + lane / 4 + 4 * (e & 2);
    const split_pair parts = split(x[e / 4][e % 4], 0.f);
    *reinterpret_cast<uint16_t*>(to) = uint16_t(parts.hi);
    if constexpr (two) *reinterpret_cast<uint16_t*>(to + chunk * tile_pitch) = uint16_t(parts.lo);
  }
}

/// Column `j` of T's blocks, from the inverted diagonal D and the triangle L below: T_ij = -D_i sum_k L_ik T_kj, all of it transposed, so
/// that what one product gives is the left operand of the next; a warp.
template <bool two>
__device__ __forceinline__ void solve_column(const float* lower, bf16* tile, int j, int lane) {
  const auto block = [&](int i, int k) { return lower + i * block_width * pitch + k * block_width; };
  const auto out = [&](int i) { return tile + i * block_width * tile_pitch + j * block_width; };
  const int row = lane / 4, column = 2 * (lane % 4);
  left_block t[block_count - 1];
  float x[2][4];
#pragma unroll
  for (int e = 0; e < 8; ++e) x[e / 4][e % 4] = block(j, j)[(8 * (e / 4) + column + (e & 1)) * pitch + row + 4 * (e & 2)];
  t[0].take(x);
#pragma unroll
  for (int e = 0; e < 8; ++e)
    if (8 * (e / 4) + column + (e & 1) == row + 4 * (e & 2)) x[e / 4][e % 4] = 0.f;
  leave_block<two>(x, out(j), lane);
#pragma unroll
  for (int r = 1; r < block_count; ++r) {
    if (j + r >= block_count) break;
    float sum[2][4] = {}, result[2][4] = {};
#pragma unroll
    for (int s = 0; s < r; ++s) add_product(sum, t[s], block(j + r, j + s), lane);
    left_block a;
    a.take(sum);
    add_product(result, a, block(j + r, j + r), lane);
#pragma unroll
    for (int e = 0; e < 8; ++e) result[e / 4][e % 4] = -result[e / 4][e % 4];
    if (r < block_count - 1) t[r].take(result);
    leave_block<two>(result, out(j + r), lane);
  }
}

/// T - 1 in bf16 from the triangle; a warpgroup. `turn` says which warp has which column of blocks: the first has most to do, and a warp's
/// number says which quarter of the multiprocessor it works on.
template <bool two>
__device__ __forceinline__ void invert(float* lower, bf16* tile, int thread, int turn) {
  const int warp = (thread / 32 + turn) % block_count, lane = thread % 32;
  if (warp < block_count / 2) {
    const int i = 2 * warp + lane / block_width;
    invert_block(lower + i * block_width * (pitch + 1), lane % block_width);
  } else {
    for (int at = (warp - block_count / 2) * 32 + lane; at < (two ? 2 : 1) * chunk * tile_pitch / 8; at += 64)
      reinterpret_cast<uint4*>(tile)[at] = uint4{};
  }
  __syncthreads();
  solve_column<two>(lower, tile, warp, lane);
  __syncthreads();
}

/// Inclusive sums of the chunk's gates, base 2, and its strengths; one warp.
__device__ __forceinline__ void gather_numbers(const invert_params& p, int64_t batch, int64_t row, int valid, int head, float* gate,
                                               float* strength, int lane) {
  float g[2] = {0.f, 0.f}, s[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {  // nothing waits for a load before all are under way
    const int64_t at = row + min(2 * lane + i, valid - 1);
    if (p.gate.data) g[i] = sweep::at(p.gate, batch, at, head * p.reader_group);
    s[i] = sweep::at(p.strength, batch, at, head * p.reader_group);
  }
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const bool in = 2 * lane + i < valid;
    g[i] = in ? fmaxf(g[i], sweep::gate_floor) * sweep::log2_e : 0.f, s[i] = in ? s[i] : 0.f;
  }
  const float sum = hopper::sum_so_far(g[0] + g[1], lane);
  gate[2 * lane] = sum - g[1], gate[2 * lane + 1] = sum;
  strength[2 * lane] = s[0], strength[2 * lane + 1] = s[1];
}

/// A warpgroup's products of keys (i, j), weighed, into the triangle's blocks; zero from the diagonal on.
__device__ __forceinline__ void leave_lower(const float (&a)[32], const float* gate, const float* strength, float* lower, int warp,
                                            int lane) {
  const int row0 = 16 * warp + lane / 4, column0 = 2 * (lane % 4);
  const float g[2] = {gate[row0], gate[row0 + 8]}, s[2] = {strength[row0], strength[row0 + 8]};
#pragma unroll
  for (int b = 0; b < 8; ++b) {
    if (b > 2 * warp + 1) break;
    const float2 gj = *reinterpret_cast<const float2*>(gate + 8 * b + column0);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int i = row0 + 8 * r, j = 8 * b + column0;
      const float x = a[4 * b + 2 * r] * s[r] * ptx::exp2_fast(g[r] - gj.x), y = a[4 * b + 2 * r + 1] * s[r] * ptx::exp2_fast(g[r] - gj.y);
      *reinterpret_cast<float2*>(lower + i * pitch + j) = make_float2(j < i ? x : 0.f, j + 1 < i ? y : 0.f);
    }
  }
}

template <int n, bool two>
__global__ __launch_bounds__(128) void invert_kernel(const __grid_constant__ invert_params p) {
#if COEFDYN_HOPPER
  extern __shared__ unsigned char raw[];
  using L = invert_layout<n, two>;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, head = blockIdx.x % p.heads;
  const int batch = blockIdx.x / p.heads / p.pieces, piece = blockIdx.x / p.heads % p.pieces;
  const hopper::sequence_span q = hopper::sequence_of<chunk>(p.offsets, p.rows, piece);
  const int64_t first = int64_t(piece - q.first) * chunk, row = q.begin + first;
  const int valid = static_cast<int>(min(int64_t(chunk), q.length - first));
  if (valid <= 0) return;
  const hopper::tile_memory memory(raw);
  const uint32_t key = memory.base + L::key, barrier = memory.base + L::barrier;
  float* const lower = reinterpret_cast<float*>(memory.generic + L::lower);
  float *const gate = reinterpret_cast<float*>(memory.generic + L::gate), *const strength = gate + chunk;
  if (threadIdx.x == 0) {
    ptx::barrier_init(barrier, 1);
    ptx::barrier_init_fence();
    ptx::barrier_arrive_expect(barrier, chunk * n * 2);
    ptx::tensor_load(key, &p.key, barrier, 0, static_cast<int>(row), 0, head / p.key_group, batch);
  }
  if (warp == 1) gather_numbers(p, batch, row, valid, head, gate, strength, lane);
  __syncthreads();
  ptx::barrier_wait(barrier, 0);
  float a[32];
  ptx::product_fence();
  hopper::multiply_rows<n, 64>(a, key, L::narrow, key, L::narrow);
  ptx::product_wait<0>();
  ptx::pin(a);
  __syncthreads();  // all have read the keys
  leave_lower(a, gate, strength, lower, warp, lane);
  __syncthreads();
  bf16* const tile = reinterpret_cast<bf16*>(memory.generic + L::tile);
  invert<two>(lower, tile, threadIdx.x, blockIdx.x / p.heads % block_count);
  const auto store = [&](const tensor& to, const bf16* from) {
    bf16* const out = static_cast<bf16*>(to.data) + batch * to.batch + row * to.time + head * to.head;
    for (int at = threadIdx.x; at < valid * 8; at += 128)
      *reinterpret_cast<uint4*>(out + at / 8 * to.time + at % 8 * 8) =
          *reinterpret_cast<const uint4*>(from + at / 8 * tile_pitch + at % 8 * 8);
  };
  store(p.inverse, tile);
  if constexpr (two) store(p.rest, tile + chunk * tile_pitch);
#endif
}

}  // namespace coefdyn::cuda::delta
