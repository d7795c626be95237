// SPDX-License-Identifier: MIT
#pragma once

#include "ptx.cuh"

/// Tiles on their way from a copying warp to computing warpgroups: a ring of slots, each with a barrier for "full" and one for "empty".
namespace coefdyn::cuda::hopper {

/// A position in a ring of `size` slots, and the parity of its round.
template <int size>
struct ring {
  int slot = 0;
  uint32_t phase = 0;
  __device__ __forceinline__ void next() {
    if (++slot == size) slot = 0, phase ^= 1;
  }
};

/// The barriers of a ring: `size` of full slots from address `first` on, then `size` of empty ones.
template <int size>
struct pipeline {
  static constexpr uint32_t bytes = 2 * size * 8;
  uint32_t first;
  __device__ __forceinline__ uint32_t full(int slot) const { return first + 8 * slot; }
  __device__ __forceinline__ uint32_t empty(int slot) const { return full(size + slot); }

  /// By one thread, before the block's first synchronisation; how many arrive at each.
  __device__ __forceinline__ void init(int at_full, int at_empty) const {
    for (int i = 0; i < size; ++i) {
      ptx::barrier_init(full(i), at_full);
      ptx::barrier_init(empty(i), at_empty);
    }
  }
  __device__ __forceinline__ void wait_full(const ring<size>& at) const { ptx::barrier_wait(full(at.slot), at.phase); }
  __device__ __forceinline__ void wait_empty(const ring<size>& at) const { ptx::barrier_wait(empty(at.slot), at.phase ^ 1); }
  __device__ __forceinline__ void fill(const ring<size>& at) const { ptx::barrier_arrive(full(at.slot)); }
  /// Fills with what the copy engine brings: `bytes` of it.
  __device__ __forceinline__ void expect(const ring<size>& at, uint32_t bytes) const { ptx::barrier_arrive_expect(full(at.slot), bytes); }
  __device__ __forceinline__ void release(const ring<size>& at) const { ptx::barrier_arrive(empty(at.slot)); }
};

}  // namespace coefdyn::cuda::hopper
