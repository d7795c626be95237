// SPDX-License-Identifier: MIT
#pragma once

#include "swizzle.cuh"

/// A warpgroup's accumulators (64, columns) in registers: products of tiles into them, as an operand of the next product, out to a tile.
/// Thread (warp, lane) has rows 16 warp + lane / 4 and 8 below; of every 8 columns two, from 2 (lane % 4) on.
namespace coefdyn::cuda::hopper {

/// d = a b' over the inner index n, both tiles in shared memory as panels of 64 columns; one group, not waited for.
template <int n, int columns>
__device__ __forceinline__ void multiply_rows(float (&d)[columns / 2], uint32_t a, uint32_t a_panel, uint32_t b, uint32_t b_panel) {
#pragma unroll
  for (int k = 0; k < n / 16; ++k)
    ptx::product<ptx::major::inner, ptx::major::inner>(d, ptx::tile_descriptor(a + (k / 4) * a_panel + (k % 4) * 32, a_panel),
                                                       ptx::tile_descriptor(b + (k / 4) * b_panel + (k % 4) * 32, b_panel), k > 0);
  ptx::product_commit();
}

/// d = a b' over the inner index n, or d + a b', with a (64, n) in registers and b as above; one group, not waited for.
template <int n, int columns>
__device__ __forceinline__ void multiply_rows(float (&d)[columns / 2], const uint32_t* a, uint32_t b, uint32_t b_panel, bool adds = false) {
#pragma unroll
  for (int k = 0; k < n / 16; ++k)
    ptx::product<ptx::major::inner>(d, a + 4 * k, ptx::tile_descriptor(b + (k / 4) * b_panel + (k % 4) * 32, b_panel), adds || k > 0);
  ptx::product_commit();
}
template <int n, int columns>
__device__ __forceinline__ void add_rows(float (&d)[columns / 2], const uint32_t* a, uint32_t b, uint32_t b_panel) {
  multiply_rows<n, columns>(d, a, b, b_panel, true);
}

/// d += a b with a (64, keys) in registers and b (keys, columns) in shared memory; one group, not waited for.
template <int keys, int columns>
__device__ __forceinline__ void accumulate(float (&d)[columns / 2], const uint32_t* a, uint32_t b, uint32_t b_panel) {
#pragma unroll
  for (int k = 0; k < keys / 16; ++k) ptx::product<ptx::major::outer>(d, a + 4 * k, ptx::tile_descriptor(b + k * 2048, b_panel), true);
  ptx::product_commit();
}

/// Accumulators as a left operand.
template <int count>
__device__ __forceinline__ void round_operand(uint32_t (&a)[count / 2], const float (&x)[count]) {
#pragma unroll
  for (int e = 0; e < count / 2; ++e) a[e] = ptx::pack_bf16(x[2 * e], x[2 * e + 1]);
}

/// Sum or maximum over the four lanes that share a row.
__device__ __forceinline__ float sum_row(float x) {
  x += __shfl_xor_sync(~0u, x, 1);
  return x + __shfl_xor_sync(~0u, x, 2);
}
__device__ __forceinline__ float max_row(float x) {
  x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
  return fmaxf(x, __shfl_xor_sync(~0u, x, 2));
}

/// A warp's 16 rows of accumulators (64, columns) of its warpgroup, rounded to bf16, from row `first` of a tile on; `panel`: bytes
/// between panels of 64 columns.
template <int columns>
__device__ __forceinline__ void store_rounded(const float (&x)[columns / 2], uint32_t tile, uint32_t panel, int first, int lane) {
#pragma unroll
  for (int b = 0; b < columns / 8; b += 2)
    ptx::store_blocks(tile + (b / 8) * panel + swizzled(first + (lane & 15), b % 8 + (lane >> 4)), ptx::pack_bf16(x[4 * b], x[4 * b + 1]),
                      ptx::pack_bf16(x[4 * b + 2], x[4 * b + 3]), ptx::pack_bf16(x[4 * b + 4], x[4 * b + 5]),
                      ptx::pack_bf16(x[4 * b + 6], x[4 * b + 7]));
}

}  // namespace coefdyn::cuda::hopper
