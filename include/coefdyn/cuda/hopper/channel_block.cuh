// SPDX-License-Identifier: MIT
#pragma once

#include "channel_prepare.cuh"
#include "sweep_block.cuh"

/// The pass over time of a channel decay: S' = totals S + keys' value, rows = queries S + scores value, of chunks made ahead
/// (channel_prepare.cuh). A block owns 64 of the value's columns; its state (64, n) stays in registers in fp32.
namespace coefdyn::cuda::channel {

using hopper::pipeline, hopper::ring;
using sweep::threads, sweep::state_warps, sweep::row_warps, sweep::first_row_warp, sweep::copying_warp, sweep::state_barrier,
    sweep::row_barrier, sweep::unit_span;

struct params {
  sweep::role r;  // value, out and states; its numbers, query and key are not used
  const unsigned char* pieces;
  sweep::sizes size;
};

template <int n>
struct layout {
  static constexpr uint32_t wide = chunk * n * 2, narrow = chunk * hopper::row_bytes;
  static constexpr uint32_t value = 0, made = narrow;  // the piece
  static constexpr uint32_t query = made + piece<n>::query, key = made + piece<n>::key, scores = made + piece<n>::scores,
                            totals = made + piece<n>::totals;
  static constexpr uint32_t stage = (made + piece<n>::bytes + hopper::swizzle_atom - 1) / hopper::swizzle_atom * hopper::swizzle_atom;
  static constexpr int stages = n == 128 ? 3 : 4;
  static constexpr uint32_t state = stage * stages, out = state + 2 * wide, barriers = out + 2 * narrow;
  using tiles = pipeline<stages, std::lcm(stages, 2)>;  // warpgroups of rows have every second one
  static constexpr uint32_t bytes = barriers + tiles::bytes + pipeline<2>::bytes;
  static constexpr uint32_t dynamic = bytes + hopper::swizzle_atom;
};

/// What a block knows. Handed on by value, as a sweep's.
template <int n>
struct block {
  using L = layout<n>;
  static constexpr int columns = n;
  const params& p;
  const sweep::role& r;
  const sweep::sizes& size;
  tile_memory memory;
  unit_span s;
  int head, slice;
  bool packed;
  __device__ __forceinline__ uint32_t stage(int slot) const { return memory.base + slot * L::stage; }
  __device__ __forceinline__ uint32_t state(int slot) const { return memory.base + L::state + slot * L::wide; }
  __device__ __forceinline__ uint32_t out(int slot) const { return memory.base + L::out + slot * L::narrow; }
  __device__ __forceinline__ typename L::tiles stages() const { return {memory.base + L::barriers}; }
  __device__ __forceinline__ pipeline<2> states() const { return {memory.base + L::barriers + L::tiles::bytes}; }
  __device__ __forceinline__ const float* totals(int slot) const {
    return reinterpret_cast<const float*>(memory.generic + slot * L::stage + L::totals);
  }
  /// The sequence's first piece; those of a head are `heads` pieces apart.
  __device__ __forceinline__ const unsigned char* pieces() const {
    const int64_t first = size.offsets ? s.row / chunk + s.sequence : s.batch * ((size.rows + chunk - 1) / chunk);
    return p.pieces + (first * size.heads + head) * piece<n>::bytes;
  }
  /// A head's state in arrays (sequences, heads, ..).
  __device__ __forceinline__ int64_t owner(bool per_unit) const {
    return static_cast<int64_t>(per_unit ? s.unit : s.sequence) * size.heads + head;
  }
  __device__ __forceinline__ void init() const {
    stages().init(1, state_warps + row_warps / 2);
    states().init(state_warps, row_warps / 2);
    ptx::barrier_init_fence();
  }
  /// Zeroes the rows past `valid` of the value tile, which hold another sequence's tokens; each reading warpgroup for itself.
  __device__ __forceinline__ void clear_values(int slot, int valid, int thread, int barrier) const {
    unsigned char* const tile = memory.generic + slot * L::stage + L::value;
    for (int row = valid + thread / 8; row < chunk; row += 16)
      *reinterpret_cast<uint4*>(tile + row * hopper::row_bytes + thread % 8 * 16) = uint4{};
    ptx::fence_async_shared();
    ptx::named_sync<128>(barrier);
  }
};

}  // namespace coefdyn::cuda::channel
