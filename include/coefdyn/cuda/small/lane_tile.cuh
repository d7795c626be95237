// SPDX-License-Identifier: MIT
#pragma once
#include "../engine/lower.cuh"

/// A matrix of at most N x N in the registers of a warp, N 16 or 32: rows are outer, what products sum over is inner. Four lanes share an
/// outer piece, eight groups the outer index; sums over inner have a fixed order.
namespace coefdyn::cuda::small {

template <int N>
struct lane_tile {
  static_assert(N == 16 || N == 32);
  static constexpr int outers = N / 8, inners = N / 4, parts = 4;  // elements of a lane, and lanes of an outer piece
  float x[outers][inners];

  static __device__ int part() { return int(threadIdx.x) % parts; }
  static __device__ int outer() { return int(threadIdx.x) % 32 / parts * outers; }
  static __device__ int inner() { return part() * inners; }
  /// A lane's inner and outer elements of a row of N numbers, which starts at a multiple of 16 bytes.
  static __device__ __forceinline__ void inner_of(const float* row, float (&a)[inners]) {
#pragma unroll
    for (int j = 0; j < inners; j += 4) {
      const float4 four = *reinterpret_cast<const float4*>(row + inner() + j);
      a[j] = four.x, a[j + 1] = four.y, a[j + 2] = four.z, a[j + 3] = four.w;
    }
  }
  static __device__ __forceinline__ void outer_of(const float* row, float (&b)[outers]) {
#pragma unroll
    for (int u = 0; u < outers; u += 2) {
      const float2 two = *reinterpret_cast<const float2*>(row + outer() + u);
      b[u] = two.x, b[u + 1] = two.y;
    }
  }
  /// A row from what every lane has of its outer piece.
  static __device__ __forceinline__ void put_outer(float* row, const float (&b)[outers]) {
    if (part() != 0) return;
#pragma unroll
    for (int u = 0; u < outers; u += 2) *reinterpret_cast<float2*>(row + outer() + u) = make_float2(b[u], b[u + 1]);
  }

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int u = 0; u < outers; ++u)
#pragma unroll
      for (int j = 0; j < inners; ++j) x[u][j] = 0.f;
  }
  /// at(outer index, inner index) of this lane's elements.
  template <class At>
  __device__ __forceinline__ void load(At at) {
#pragma unroll
    for (int u = 0; u < outers; ++u)
#pragma unroll
      for (int j = 0; j < inners; ++j) x[u][j] = at(outer() + u, inner() + j);
  }
  template <class Put>
  __device__ __forceinline__ void store(Put put) const {
#pragma unroll
    for (int u = 0; u < outers; ++u)
#pragma unroll
      for (int j = 0; j < inners; ++j) put(outer() + u, inner() + j, x[u][j]);
  }
  /// The lane's own elements to memory that only it reads again.
  static constexpr int numbers = N * N;
  __device__ __forceinline__ void keep(float* there) const {
#pragma unroll
    for (int u = 0; u < outers; ++u)
#pragma unroll
      for (int j = 0; j < inners; j += 4)
        reinterpret_cast<float4*>(there)[(u * inners + j) / 4 * 32 + int(threadIdx.x) % 32] =
            make_float4(x[u][j], x[u][j + 1], x[u][j + 2], x[u][j + 3]);
  }
  __device__ __forceinline__ void take(const float* there) {
#pragma unroll
    for (int u = 0; u < outers; ++u)
#pragma unroll
      for (int j = 0; j < inners; j += 4) {
        const float4 four = reinterpret_cast<const float4*>(there)[(u * inners + j) / 4 * 32 + int(threadIdx.x) % 32];
        x[u][j] = four.x, x[u][j + 1] = four.y, x[u][j + 2] = four.z, x[u][j + 3] = four.w;
      }
  }
  /// x += b a'
  __device__ __forceinline__ void add(const float (&b)[outers], const float (&a)[inners]) {
#pragma unroll
    for (int u = 0; u < outers; ++u)
#pragma unroll
      for (int j = 0; j < inners; ++j) x[u][j] += b[u] * a[j];
  }
  __device__ __forceinline__ void scale_inner(const float (&a)[inners]) {
#pragma unroll
    for (int u = 0; u < outers; ++u)
#pragma unroll
      for (int j = 0; j < inners; ++j) x[u][j] *= a[j];
  }
  __device__ __forceinline__ void scale_outer(const float (&b)[outers]) {
#pragma unroll
    for (int u = 0; u < outers; ++u)
#pragma unroll
      for (int j = 0; j < inners; ++j) x[u][j] *= b[u];
  }
  /// A lane's part of x a, and of the rows' products with another matrix's.
  __device__ __forceinline__ void dot(const float (&a)[inners], float (&out)[outers]) const {
#pragma unroll
    for (int u = 0; u < outers; ++u) {
      out[u] = x[u][0] * a[0];
#pragma unroll
      for (int j = 1; j < inners; ++j) out[u] += x[u][j] * a[j];
    }
  }
  __device__ __forceinline__ void dot(const lane_tile& y, float (&out)[outers]) const {
#pragma unroll
    for (int u = 0; u < outers; ++u) {
      out[u] = x[u][0] * y.x[u][0];
#pragma unroll
      for (int j = 1; j < inners; ++j) out[u] += x[u][j] * y.x[u][j];
    }
  }
  /// Sums over the lanes of an outer piece, in all of them.
  static __device__ __forceinline__ void everyone(float (&out)[outers]) {
#pragma unroll
    for (int u = 0; u < outers; ++u) out[u] += __shfl_xor_sync(~0u, out[u], 1);
#pragma unroll
    for (int u = 0; u < outers; ++u) out[u] += __shfl_xor_sync(~0u, out[u], 2);
  }
  /// The same sums to a row of N numbers, each by a lane that owns it.
  static __device__ __forceinline__ void put_sums(float* row, const float (&out)[outers]) {
    const bool odd = part() & 1, upper = part() & 2;
    if constexpr (outers == 2) {
      float sum = odd ? out[1] : out[0];
      sum += __shfl_xor_sync(~0u, odd ? out[0] : out[1], 1);
      sum += __shfl_xor_sync(~0u, sum, 2);
      if (!upper) row[outer() + (odd ? 1 : 0)] = sum;
    } else {
      float two[2];
#pragma unroll
      for (int u = 0; u < 2; ++u) two[u] = (upper ? out[u + 2] : out[u]) + __shfl_xor_sync(~0u, upper ? out[u] : out[u + 2], 2);
      const float sum = (odd ? two[1] : two[0]) + __shfl_xor_sync(~0u, odd ? two[0] : two[1], 1);
      row[outer() + (upper ? 2 : 0) + (odd ? 1 : 0)] = sum;
    }
  }
};

}  // namespace coefdyn::cuda::small
