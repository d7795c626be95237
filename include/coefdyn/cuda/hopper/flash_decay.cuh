// SPDX-License-Identifier: MIT
#pragma once

#include "flash_tile.cuh"

/// Decay of pairs of tokens from sums of gates in tiles of 128: of pairs across tiles a row's factor times a column's.
namespace coefdyn::cuda::flash {

/// Decay factors of a key tile: each column's decay to the tile's end.
__device__ __forceinline__ void write_columns(float* to, const float* gate, int lane) {
  const float total = gate[tile - 1];
#pragma unroll
  for (int e = 0; e < 4; ++e) to[lane + 32 * e] = ptx::exp2_fast(total - gate[lane + 32 * e]);
}

/// Decay of the pairs of a thread: on the diagonal from the sums themselves, elsewhere a row's factor times a column's.
struct fading {
  const float* diagonal;  // sums of gates of the diagonal tile (128), global
  int row0, column0;
  float near[2];  // row's decay back to the end of the other tile
  template <int count>
  __device__ __forceinline__ void apply(float (&s)[count], const float* columns) const {
#pragma unroll
    for (int b = 0; b < count / 4; ++b) {
      const float2 x = *reinterpret_cast<const float2*>(columns + 8 * b + column0);
      s[4 * b] *= near[0] * x.x, s[4 * b + 1] *= near[0] * x.y, s[4 * b + 2] *= near[1] * x.x, s[4 * b + 3] *= near[1] * x.y;
    }
  }
  /// Diagonal: rows and columns in one tile; `later` is 1 if the rows are the queries, -1 if the columns are.
  template <int count>
  __device__ __forceinline__ void apply_diagonal(float (&s)[count], int first_row, int first_column, float later) const {
    const float g0 = diagonal[first_row + row0], g1 = diagonal[first_row + row0 + 8];
#pragma unroll
    for (int b = 0; b < count / 4; ++b) {
      const float2 x = *reinterpret_cast<const float2*>(diagonal + first_column + 8 * b + column0);
      s[4 * b] *= ptx::exp2_fast(fminf(later * (g0 - x.x), 0.f)), s[4 * b + 1] *= ptx::exp2_fast(fminf(later * (g0 - x.y), 0.f));
      s[4 * b + 2] *= ptx::exp2_fast(fminf(later * (g1 - x.x), 0.f)), s[4 * b + 3] *= ptx::exp2_fast(fminf(later * (g1 - x.y), 0.f));
    }
  }
  /// Rows are queries: their decay back to the start of the diagonal tile, which the tile before it ends at.
  __device__ __forceinline__ void leave_diagonal() {
    near[0] = ptx::exp2_fast(diagonal[row0]), near[1] = ptx::exp2_fast(diagonal[row0 + 8]);
  }
  /// On to another tile, past one whose gates sum to `total`.
  __device__ __forceinline__ void pass(float total) {
    const float factor = ptx::exp2_fast(total);
    near[0] *= factor, near[1] *= factor;
  }
};

}  // namespace coefdyn::cuda::flash
