// SPDX-License-Identifier: MIT
#pragma once
#include "step_block.cuh"

/// The state of the step kernel: as the caller has it, and as threads hold it.
namespace coefdyn::cuda::small {

/// One head's part of a caller's state, in the tile's channels and columns.
template <class M, class V>
struct step_state {
  using Stored = std::remove_cvref_t<decltype(std::declval<V>().S(0, 0, 0, 0))>;
  using Pointer = decltype(std::declval<V>().S.data);
  template <class E>
  struct part_of {
    using type = E;
  };
  template <class E>
  struct part_of<complex<E>> {
    using type = E;
  };
  using Plain = typename part_of<Stored>::type;
  using Part = std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const Plain, Plain>;
  static constexpr int parts = is_complex<Stored> ? 2 : 1;
  Part *S = nullptr, *z = nullptr;
  idx channel = 0, column = 0, z_channel = 0;
  int n = 0, lowered = 0, count = 0;
  bool vectors = false;  // four columns are one aligned access

  __device__ step_state(const V& v, idx at, int h, int n_, const slice& s) : n(n_), lowered(traits<M>::lowered(n_)), count(s.count) {
    S = reinterpret_cast<Part*>(v.S.data + at * v.S.strides[0] + h * v.S.strides[1] + s.first * v.S.strides[3]);
    channel = v.S.strides[2] * parts, column = v.S.strides[3] * parts;
    if constexpr (traits<M>::needs_sum) {
      z = reinterpret_cast<Part*>(v.z.data + at * v.z.strides[0] + h * v.z.strides[1]);
      z_channel = v.z.strides[2] * parts;
    }
    vectors =
        std::is_same_v<Stored, float> && column == 1 && channel % 4 == 0 && count % 4 == 0 && reinterpret_cast<std::size_t>(S) % 16 == 0;
  }
  /// Channels from `first` that a thread's vectors have; 0 beyond the columns.
  __device__ int rows_of(int first, int lane) const { return lane * 4 < count ? lowered - first : 0; }
  /// Channel c of the lowered state, [Re; Im].
  __device__ Part* row(int c) const { return c < n ? S + c * channel : S + (c - n) * channel + 1; }
  __device__ Part* sum(int c) const { return c < n ? z + c * z_channel : z + (c - n) * z_channel + 1; }
};

/// A thread's part of the lowered state: `rows` channels of four columns, and of the sum.
template <class M, class R, class X, class Tile>
struct held_state {
  using Block = step_block<M, R, X, Tile>;
  using O = operands<M, R>;
  static constexpr bool sums = traits<M>::needs_sum;
  static constexpr int rows = Tile::rows, W = 4 + Block::sums, width = Block::width;
  R *const tile, *const part;
  const int group, lane, first;
  R S[rows][W];
  bool odd = false;  // which half of `part` the next sum takes

  __device__ __forceinline__ explicit held_state(const Block& w)
      : tile(w.S), part(w.part), group(int(threadIdx.x) / Tile::lanes), lane(int(threadIdx.x) % Tile::lanes), first(group * rows) {}
  __device__ __forceinline__ void from_tile() {
#pragma unroll
    for (int j = 0; j < rows; ++j) {
      const float4 four = *reinterpret_cast<const float4*>(tile + (first + j) * width + lane * 4);
      S[j][0] = four.x, S[j][1] = four.y, S[j][2] = four.z, S[j][3] = four.w;
      if constexpr (sums) S[j][4] = tile[(first + j) * width + Tile::columns];
    }
  }
  __device__ __forceinline__ void to_tile() const {
#pragma unroll
    for (int j = 0; j < rows; ++j) put_row(tile + (first + j) * width, S[j]);
  }
  /// A thread's columns into a row of all; the sum by one of them.
  __device__ __forceinline__ void put_row(R* row, const R (&x)[W]) const {
    *reinterpret_cast<float4*>(row + lane * 4) = make_float4(x[0], x[1], x[2], x[3]);
    if constexpr (sums) {
      if (lane == 0) row[Tile::columns] = x[4];
    }
  }
  /// each(S[c], f[c]) for this thread's channels.
  template <class Each>
  __device__ __forceinline__ void each_channel(const R* f, Each each) {
#pragma unroll
    for (int j = 0; j < rows; j += 4) {
      const float4 four = *reinterpret_cast<const float4*>(f + first + j);
      const R k[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
      for (int q = 0; q < 4; ++q) each(S[j + q], k[q]);
    }
  }
  /// sum[u] = sum over all channels of f[c] S[c][u]
  __device__ __forceinline__ void contract(const R* f, R (&sum)[W]) {
#pragma unroll
    for (int u = 0; u < W; ++u) sum[u] = R(0);
    each_channel(f, [&](const R(&row)[W], R k) {
#pragma unroll
      for (int u = 0; u < W; ++u) sum[u] += k * row[u];
    });
    R* at = part + (odd ? Tile::groups * width : 0);
    odd = !odd;
    put_row(at + group * width, sum);
    __syncthreads();
#pragma unroll
    for (int u = 0; u < W; ++u) sum[u] = R(0);
#pragma unroll
    for (int g = 0; g < Tile::groups; ++g) {
      const float4 four = *reinterpret_cast<const float4*>(at + g * width + lane * 4);
      sum[0] += four.x, sum[1] += four.y, sum[2] += four.z, sum[3] += four.w;
      if constexpr (sums) sum[4] += at[g * width + Tile::columns];
    }
  }
  /// S[c][u] += f[c] x[u]
  __device__ __forceinline__ void add(const R* f, const R (&x)[W]) {
    each_channel(f, [&](R(&row)[W], R k) {
#pragma unroll
      for (int u = 0; u < W; ++u) row[u] += k * x[u];
    });
  }
  /// S[c][u] <- f[c] S[c][u], or f[0] of all channels
  __device__ __forceinline__ void decay(const R* f) {
#pragma unroll
    for (int j = 0; j < rows; j += 4) {
      float4 four;
      if constexpr (O::channel) four = *reinterpret_cast<const float4*>(f + first + j);
      else four = make_float4(*f, *f, *f, *f);
      const R k[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
      for (int q = 0; q < 4; ++q)
#pragma unroll
        for (int u = 0; u < W; ++u) S[j + q][u] = k[q] * S[j + q][u];
    }
  }
  /// The caller's state, from registers where four columns are one access, else from the tile.
  template <class V>
  __device__ __forceinline__ void store(const V& out, idx at, int h, int n, const slice& s) const {
    using View = step_state<M, V>;
    using Plain = typename View::Plain;
    const View to(out, at, h, n, s);
    if (to.vectors) {
      const int given = to.rows_of(first, lane);
      auto* element = to.S + first * to.channel + lane * 4;
#pragma unroll
      for (int j = 0; j < rows; ++j, element += to.channel)
        if (j < given) *reinterpret_cast<float4*>(element) = make_float4(S[j][0], S[j][1], S[j][2], S[j][3]);
    } else {
      to_tile();  // and the thread's own elements from there
#pragma unroll 1
      for (int k = 0; k < rows * 4; ++k) {
        const int c = first + k / 4, v = lane * 4 + k % 4;
        if (c < to.lowered && v < to.count) to.row(c)[v * to.column] = cpu::converted<Plain>(tile[c * width + v]);
      }
    }
    if constexpr (sums) {
      if (lane == 0) {
#pragma unroll
        for (int j = 0; j < rows; ++j)
          if (first + j < to.lowered) *to.sum(first + j) = cpu::converted<Plain>(S[j][4]);
      }
    }
  }
};

}  // namespace coefdyn::cuda::small
