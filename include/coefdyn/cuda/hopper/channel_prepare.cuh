// SPDX-License-Identifier: MIT
#pragma once

#include "channel_products.cuh"
#include "place.cuh"
#include "tensor_map.cuh"
#include "units.cuh"

/// A decay per channel, chunk by chunk: what the pass over time reads of every chunk of 64 tokens is made ahead, for all chunks at once.
/// With w = exp(gate), products of w inside the chunk only (none has a positive exponent, and a gate of -inf is a zero):
///   queries  q_i times the product of w from the chunk's start to i
///   keys     k_j times the product behind j to the chunk's end
///   scores   sum over channels of q_i k_j times the product of w behind j, to i; 0 for j > i
///   totals   the product of the chunk's w
/// A pair of tokens in one block of 16 meets at a level h = 1, 2, 4, 8: i in the upper half of an aligned block of 2 h, j in the lower, and
/// the decay is the product from the half's start to i times that behind j to the half's end. Blocks of 16 meet at the upper block's start.
namespace coefdyn::cuda::channel {

using hopper::tile_memory;
using sweep::chunk;

inline constexpr int prepare_threads = 128, part = 16;  // a warp has 16 tokens

struct prepare_params {
  tensor q, k, gate;  // bf16, bf16, fp32 [B, T, heads / group, n]
  int query_group, key_group, gate_group;
  float read, write;  // constants of rows and of what is written
  unsigned char* pieces;
  int heads, count;  // count: pieces of a batch row, or of all packed sequences
  sequence_offsets offsets;
  int64_t rows;
};

/// A chunk of a head in the workspace: tiles as they lie in shared memory, then the totals.
template <int n>
struct piece {
  static constexpr uint32_t wide = chunk * n * 2, narrow = chunk * hopper::row_bytes;
  static constexpr uint32_t query = 0, key = wide, scores = 2 * wide, totals = scores + narrow, bytes = totals + n * 4;
};
/// Shared memory: tiles of queries and keys, keys for later blocks of 16 (of block I those of J < I), totals of the blocks.
template <int n>
struct prepare_layout {
  static constexpr uint32_t wide = chunk * n * 2, narrow = chunk * hopper::row_bytes, part_bytes = part * n * 2;
  static constexpr uint32_t query = 0, key = wide, far = 2 * wide, totals = far + 6 * part_bytes, bytes = totals + 4 * n * 4;
  static constexpr uint32_t dynamic = bytes + hopper::swizzle_atom;
};
/// The keys of block J for block I.
template <int n>
__device__ __forceinline__ uint32_t far_tile(int later, int earlier) {
  return prepare_layout<n>::far + uint32_t(later * (later - 1) / 2 + earlier) * prepare_layout<n>::part_bytes;
}

/// The warp's rows of q and k at group k of 16 channels: their scores, what lies in the tiles after them, and q for the blocks before.
template <int n, bool complement>
__device__ __forceinline__ void prepare_group(near_scores& s, uint32_t (&query16)[4], const prepare_params& p, const tile_memory& memory,
                                              const gate_rows& gates, int k, int warp, int lane) {
  using L = prepare_layout<n>;
  const uint32_t q_at = group_at(memory.base + L::query, L::narrow, part * warp, k, lane),
                 k_at = group_at(memory.base + L::key, L::narrow, part * warp, k, lane);
  uint32_t a[4], b[4], x[4];
  numbers8 query, key, gate;
  gates.load(gate, k);
  ptx::load_blocks(a, q_at);
  ptx::load_blocks(b, k_at);
  unpack(query, a), unpack(key, b);
  if constexpr (complement) {
#pragma unroll
    for (int e = 0; e < 8; ++e) key[e] *= complement_of(gate[e]);
#pragma unroll
    for (int i = 0; i < 4; ++i) b[i] = ptx::pack_bf16(key[2 * i], key[2 * i + 1]);
  }
  products w(gate);
  pack_product(x, query, w.before);
  ptx::warp_multiply(s.equal[0], {a[0], x[0], a[2], x[2]}, b[0], b[2]);
  ptx::warp_multiply(s.equal[1], {a[1], x[1], a[3], x[3]}, b[1], b[3]);
  w.template widen<1>(lane);
  pack_product(a, query, w.before), pack_product(b, key, w.behind);
  ptx::warp_multiply(s.two[0], a, b[0], b[2]);
  ptx::warp_multiply(s.two[1], a, b[1], b[3]);
  w.template widen<2>(lane);
  pack_product(a, query, w.before), pack_product(b, key, w.behind);
  ptx::warp_multiply(s.four[0], a, b[0], b[2]);
  ptx::warp_multiply(s.four[1], a, b[1], b[3]);
  w.template widen<4>(lane);
  pack_product(a, query, w.before), pack_product(b, key, w.behind);
  ptx::warp_multiply(s.eight, a, b[0], b[2]);
  w.widen_last();
#pragma unroll
  for (int e = 0; e < 8; ++e) query[e] *= w.before[e], key[e] *= w.behind[e];
#pragma unroll
  for (int i = 0; i < 4; ++i) query16[i] = ptx::pack_bf16(query[2 * i], query[2 * i + 1]);
  const float* const totals = reinterpret_cast<const float*>(memory.generic + L::totals) + 16 * k + 2 * (lane % 4);
  float fade[4] = {p.read, p.read, p.read, p.read}, later[4] = {1.f, 1.f, 1.f, 1.f};
#pragma unroll
  for (int block = 0; block < 4; ++block) {
    const float2 lo = *reinterpret_cast<const float2*>(totals + block * n), hi = *reinterpret_cast<const float2*>(totals + block * n + 8);
    const float total[4] = {lo.x, lo.y, hi.x, hi.y};
    if (block > warp) {
      pack_faded(b, key, later);
      ptx::store_blocks(group_at(memory.base + far_tile<n>(block, warp), part * hopper::row_bytes, 0, k, lane), b[0], b[1], b[2], b[3]);
    }
#pragma unroll
    for (int c = 0; c < 4; ++c) {
      if (block < warp) fade[c] *= total[c];
      if (block > warp) later[c] *= total[c];
    }
  }
  pack_faded(a, query, fade);
  ptx::store_blocks(q_at, a[0], a[1], a[2], a[3]);
#pragma unroll
  for (int c = 0; c < 4; ++c) later[c] *= p.write;
  pack_faded(b, key, later);
  ptx::store_blocks(k_at, b[0], b[1], b[2], b[3]);
}

/// Products of w over the warp's 16 tokens, of every channel.
template <int n>
__device__ __forceinline__ void leave_totals(const tile_memory& memory, const gate_rows& gates, int warp, int lane) {
  float* const to = reinterpret_cast<float*>(memory.generic + prepare_layout<n>::totals) + warp * n + 2 * (lane % 4);
#pragma unroll 2
  for (int k = 0; k < n / 16; ++k) {
    numbers8 g;
    gates.load(g, k);
    float sum[4] = {g[0] + g[2], g[1] + g[3], g[4] + g[6], g[5] + g[7]};
#pragma unroll
    for (int step = 4; step < 32; step *= 2)
#pragma unroll
      for (int c = 0; c < 4; ++c) sum[c] += __shfl_xor_sync(~0u, sum[c], step);
#pragma unroll
    for (int c = 0; c < 4; ++c) sum[c] = ptx::exp2_fast(sum[c] * log2_e);
    if (lane < 4) {
      *reinterpret_cast<float2*>(to + 16 * k) = make_float2(sum[0], sum[1]);
      *reinterpret_cast<float2*>(to + 16 * k + 8) = make_float2(sum[2], sum[3]);
    }
  }
}

/// Two neighbouring scores of a row, times the constants.
__device__ __forceinline__ void put_scores(unsigned char* tile, int row, int block, int lane, float scale, float a, float b) {
  *reinterpret_cast<uint32_t*>(tile + swizzled(row, block) + lane % 4 * 4) = ptx::pack_bf16(a * scale, b * scale);
}
/// The warp's rows of scores: with the blocks of 16 before, inside, and zeros behind.
template <int n>
__device__ __forceinline__ void leave_scores(const near_scores& s, const uint32_t (&query16)[n / 16][4], const tile_memory& memory,
                                             unsigned char* tile, float scale, int warp, int lane) {
  const int row = part * warp + lane / 4;
  for (int block = 0; block < 4; ++block) {
    float far[2][4] = {};
    if (block < warp) {
      const uint32_t keys = memory.base + far_tile<n>(warp, block);
#pragma unroll
      for (int k = 0; k < n / 16; ++k) {
        uint32_t b[4];
        ptx::load_blocks(b, group_at(keys, part * hopper::row_bytes, 0, k, lane));
        ptx::warp_multiply(far[0], query16[k], b[0], b[2]);
        ptx::warp_multiply(far[1], query16[k], b[1], b[3]);
      }
    } else if (block == warp) {
#pragma unroll
      for (int r = 0; r < 2; ++r) far[0][r] = s.at(0, r, lane), far[0][2 + r] = s.eight[2 + r], far[1][2 + r] = s.at(1, r, lane);
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      put_scores(tile, row, 2 * block + half, lane, scale, far[half][0], far[half][1]);
      put_scores(tile, row + 8, 2 * block + half, lane, scale, far[half][2], far[half][3]);
    }
  }
}

/// Brings the chunk's rows of one stream into a tile; rows from `valid` on are zero.
template <int n>
__device__ __forceinline__ void bring_rows(uint32_t tile, const tensor& x, int64_t batch, int64_t row, int head, int valid, int thread) {
  const bf16* const from = static_cast<const bf16*>(x.data) + batch * x.batch + row * x.time + head * x.head;
#pragma unroll 4
  for (int i = thread; i < chunk * n / 8; i += prepare_threads) {
    const int r = i / (n / 8), block = i % (n / 8);
    ptx::copy16(tile + block / 8 * (chunk * hopper::row_bytes) + swizzled(r, block % 8),
                from + int64_t(r < valid ? r : 0) * x.time + block * 8, r < valid ? 16 : 0);
  }
}
/// Copies the warp's rows of a tile out.
template <int n>
__device__ __forceinline__ void give_rows(unsigned char* to, const unsigned char* tile, int warp, int lane) {
  constexpr int per = part * hopper::row_bytes;
#pragma unroll
  for (int panel = 0; panel < n / 64; ++panel) {
    const uint32_t at = panel * chunk * hopper::row_bytes + warp * per;
#pragma unroll
    for (int i = lane * 16; i < per; i += 512) *reinterpret_cast<uint4*>(to + at + i) = *reinterpret_cast<const uint4*>(tile + at + i);
  }
}

/// One chunk of one head a block; `complement`: what is written is 1 - w, per channel.
template <int n, bool complement>
__global__ __launch_bounds__(prepare_threads, 3) void prepare_kernel(const __grid_constant__ prepare_params p) {
#if COEFDYN_HOPPER
  using L = prepare_layout<n>;
  extern __shared__ unsigned char raw[];
  const tile_memory memory(raw);
  const int thread = threadIdx.x, warp = thread / 32, lane = thread % 32, head = blockIdx.x % p.heads;
  const int64_t index = blockIdx.x / p.heads, batch = p.offsets ? 0 : index / p.count;
  const int at = int(p.offsets ? index : index % p.count);
  const hopper::sequence_span span = hopper::sequence_of<chunk>(p.offsets, p.rows, at);
  const int64_t local = int64_t(at - span.first) * chunk, row = span.begin + local;
  const int valid = int(min(int64_t(chunk), span.length - local));
  if (valid <= 0) return;
  bring_rows<n>(memory.base + L::query, p.q, batch, row, head / p.query_group, valid, thread);
  bring_rows<n>(memory.base + L::key, p.k, batch, row, head / p.key_group, valid, thread);
  ptx::copy_commit();
  gate_rows gates;
  const float* const first = static_cast<const float*>(p.gate.data) + batch * p.gate.batch + row * p.gate.time +
                             head / p.gate_group * p.gate.head + 2 * (lane % 4);
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int r = part * warp + lane / 4 + 8 * i;
    gates.inside[i] = r < valid, gates.row[i] = first + int64_t(r < valid ? r : 0) * p.gate.time;
  }
  leave_totals<n>(memory, gates, warp, lane);
  ptx::copy_wait<0>();
  __syncthreads();
  near_scores scores;
  uint32_t query16[n / 16][4];
#pragma unroll
  for (int k = 0; k < n / 16; ++k) prepare_group<n, complement>(scores, query16[k], p, memory, gates, k, warp, lane);
  __syncthreads();
  unsigned char* const to = p.pieces + (index * p.heads + head) * piece<n>::bytes;
  leave_scores<n>(scores, query16, memory, to + piece<n>::scores, p.read * p.write, warp, lane);
  give_rows<n>(to + piece<n>::query, memory.generic + L::query, warp, lane);
  give_rows<n>(to + piece<n>::key, memory.generic + L::key, warp, lane);
  const float* const totals = reinterpret_cast<const float*>(memory.generic + L::totals);
  if (thread < n)
    reinterpret_cast<float*>(to + piece<n>::totals)[thread] =
        totals[thread] * totals[n + thread] * (totals[2 * n + thread] * totals[3 * n + thread]);
#endif
}

}  // namespace coefdyn::cuda::channel
