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

}  // namespace coefdyn::cuda::hopper
