// SPDX-License-Identifier: MIT
#pragma once

#include "ptx.cuh"

/// Tiles on their way from a copying warp to computing warpgroups: a ring of slots, each with a barrier for "full" and one for "empty".
namespace coefdyn::cuda::hopper {

/// A position in a ring of `size` slots, and the parity of its round. Who passes slots by takes a `period`, a multiple of its step and of
/// `size`: each of so many tiles then has barriers of its own. A barrier tells rounds apart by parity alone, so that who is not there in
/// every round could take the last but one for the last.
template <int size, int period = size>
struct ring {
  static_assert(period % size == 0);
  int slot = 0, at = 0;
  uint32_t phase = 0;
  __device__ __forceinline__ int barrier() const { return at; }
  __device__ __forceinline__ void next() {
    if (++slot == size) slot = 0;
    if (++at == period) at = 0, phase ^= 1;
  }
};
template <int size>
struct ring<size, size> {
  int slot = 0;
  uint32_t phase = 0;
  __device__ __forceinline__ int barrier() const { return slot; }
  __device__ __forceinline__ void next() {
    if (++slot == size) slot = 0, phase ^= 1;
  }
};

/// The barriers of a ring: `period` of full slots from address `first` on, then `period` of empty ones.
template <int size, int period = size>
struct pipeline {
  using position = ring<size, period>;
  static constexpr uint32_t bytes = 2 * period * 8;
  uint32_t first;
  __device__ __forceinline__ uint32_t full(const position& at) const { return first + 8 * at.barrier(); }
  __device__ __forceinline__ uint32_t empty(int barrier) const { return first + 8 * (period + barrier); }

  /// By one thread, before the block's first synchronisation; how many arrive at each.
  __device__ __forceinline__ void init(int at_full, int at_empty) const {
    for (int i = 0; i < period; ++i) {
      ptx::barrier_init(first + 8 * i, at_full);
      ptx::barrier_init(empty(i), at_empty);
    }
  }
  __device__ __forceinline__ void wait_full(const position& at) const { ptx::barrier_wait(full(at), at.phase); }
  /// Waits until the tile that lay there before, `size` tiles ago, is read.
  __device__ __forceinline__ void wait_empty(const position& at) const {
    const bool same_round = at.barrier() >= size;
    ptx::barrier_wait(empty(at.barrier() + (same_round ? 0 : period) - size), same_round ? at.phase : at.phase ^ 1);
  }
  __device__ __forceinline__ void fill(const position& at) const { ptx::barrier_arrive(full(at)); }
  /// Fills with what the copy engine brings: `bytes` of it.
  __device__ __forceinline__ void expect(const position& at, uint32_t bytes) const { ptx::barrier_arrive_expect(full(at), bytes); }
  __device__ __forceinline__ void release(const position& at) const { ptx::barrier_arrive(empty(at.barrier())); }
};

}  // namespace coefdyn::cuda::hopper
