// SPDX-License-Identifier: MIT
#pragma once

#include "fragment.cuh"

/// What a warp has of 16 tokens and 16 channels while tiles of a channel decay are made (channel_prepare.cuh): rows, gates, products of
/// exp(gate) around each token, scores level by level.
namespace coefdyn::cuda::channel {

using hopper::swizzled;

inline constexpr float log2_e = 1.4426950408889634f;

/// Eight numbers of a thread, as mma's left operand has them: register i = e / 2 of row lane / 4 + 8 (i & 1), channels 8 (i >> 1) +
/// 2 (lane % 4) + (e & 1) of a group of 16.
using numbers8 = float[8];
__device__ __forceinline__ void unpack(numbers8& x, const uint32_t (&from)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) x[2 * i] = __uint_as_float(from[i] << 16), x[2 * i + 1] = __uint_as_float(from[i] & 0xffff0000u);
}
/// x y, rounded.
__device__ __forceinline__ void pack_product(uint32_t (&to)[4], const numbers8& x, const numbers8& y) {
#pragma unroll
  for (int i = 0; i < 4; ++i) to[i] = ptx::pack_bf16(x[2 * i] * y[2 * i], x[2 * i + 1] * y[2 * i + 1]);
}
/// x times a number of each channel, rounded.
__device__ __forceinline__ void pack_faded(uint32_t (&to)[4], const numbers8& x, const float (&by)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) to[i] = ptx::pack_bf16(x[2 * i] * by[i & 2], x[2 * i + 1] * by[(i & 2) + 1]);
}
/// Address of a lane's 16 bytes of the group `k` of 16 channels: rows `first` to first + 15 of a tile whose panels are `panel` bytes.
__device__ __forceinline__ uint32_t group_at(uint32_t tile, uint32_t panel, int first, int k, int lane) {
  return tile + (k / 4) * panel + swizzled(first + (lane & 15), k % 4 * 2 + (lane >> 4));
}

/// Where a warp's gates lie.
struct gate_rows {
  const float* row[2];  // of rows lane / 4 and 8 below, at channel 2 (lane % 4)
  bool inside[2];
  /// Log decays of the group k, 0 for rows past the end.
  __device__ __forceinline__ void load(numbers8& g, int k) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float2 x = inside[i & 1] ? __ldg(reinterpret_cast<const float2*>(row[i & 1] + 16 * k + 8 * (i >> 1))) : make_float2(0.f, 0.f);
      g[2 * i] = x.x, g[2 * i + 1] = x.y;
    }
  }
};

/// 1 - exp(g) within 5e-6 of itself; a difference near 1 would lose what is left of small g.
__device__ __forceinline__ float complement_of(float g) {
  const float near = -g * fmaf(g, fmaf(g, 0.16666667f, 0.5f), 1.f), far = 1.f - ptx::exp2_fast(g * log2_e);
  return g > -0.03f ? near : far;
}

/// Products of w around a thread's tokens, within their aligned block of as many tokens as were taken in.
struct products {
  numbers8 before, behind, total;  // from the block's start to the token; behind it to the end; of the block
  __device__ __forceinline__ explicit products(const numbers8& g) {
#pragma unroll
    for (int e = 0; e < 8; ++e) before[e] = total[e] = ptx::exp2_fast(g[e] * log2_e), behind[e] = 1.f;
  }
  /// From blocks of h tokens to those of 2 h, h = 1, 2, 4.
  template <int h>
  __device__ __forceinline__ void widen(int lane) {
    const bool upper = lane / 4 & h;
#pragma unroll
    for (int e = 0; e < 8; ++e) {
      const float other = __shfl_xor_sync(~0u, total[e], 4 * h);
      before[e] *= upper ? other : 1.f;
      behind[e] *= upper ? 1.f : other;
      total[e] *= other;
    }
  }
  /// From 8 to 16: both halves are the thread's own.
  __device__ __forceinline__ void widen_last() {
#pragma unroll
    for (int e = 0; e < 8; ++e) (e & 2 ? before[e] : behind[e]) *= total[e ^ 2];
  }
};

/// Scores inside a block of 16, level by level. Registers of a tile of eight keys: two of row lane / 4, two of the row 8 below.
struct near_scores {
  float equal[2][4] = {}, two[2][4] = {}, four[2][4] = {}, eight[4] = {};  // `equal`: of the same token, then of level 1
  /// The score of row lane / 4 of half `half` and its key 2 (lane % 4) + r.
  __device__ __forceinline__ float at(int half, int r, int lane) const {
    const int i = lane / 4, j = 2 * (lane % 4) + r, apart = i ^ j;
    const float near = apart == 0 ? equal[half][r] : equal[half][2 + r];
    const float value = apart < 2 ? near : apart < 4 ? two[half][2 * half + r] : four[half][2 * half + r];
    return j <= i ? value : 0.f;
  }
};

}  // namespace coefdyn::cuda::channel
