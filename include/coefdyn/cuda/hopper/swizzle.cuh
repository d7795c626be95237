// SPDX-License-Identifier: MIT
#pragma once

#include "ptx.cuh"

/// Tiles in shared memory as the copy engine writes them and the tensor cores read them: panels of rows of 64 bf16 (128 bytes), whose
/// eight blocks of 16 bytes are permuted by the row (128-byte swizzle).
namespace coefdyn::cuda::hopper {

inline constexpr uint32_t swizzle_atom = 1024;  // bytes of eight rows; a tile starts at a multiple
inline constexpr uint32_t row_bytes = 128;      // of a tile

/// Byte offset in a (rows, 64) tile of the 16-byte block `block` of `row`.
__device__ __forceinline__ uint32_t swizzled(uint32_t row, uint32_t block) { return row * row_bytes + ((block ^ (row & 7)) << 4); }

/// A block's dynamic shared memory from its first swizzle atom on: as an address of the shared window and as a pointer.
struct tile_memory {
  uint32_t base;
  unsigned char* generic;
  __device__ __forceinline__ explicit tile_memory(unsigned char* raw)
      : base((ptx::shared_address(raw) + swizzle_atom - 1) & ~(swizzle_atom - 1)),
        generic(static_cast<unsigned char*>(__cvta_shared_to_generic(base))) {}
};

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
