// SPDX-License-Identifier: MIT
#pragma once
#include "../../theorems.hpp"
#include "../device.cuh"

/// Lengths and choices of the generic kernels: functions of (mixer, types, n, d, T) alone.
namespace coefdyn::cuda::generic {

constexpr int chunk_threads = 256;  // of a block of the chunk and tile kernels; 512 gained 4 % on an H100
struct chunk_tuning {
  int chunk;    // tokens of a chunk, and of a tile of the parallel form
  int columns;  // value columns of a block
};
template <class M, class R>
constexpr chunk_tuning tuning_for(int n, int) {
  const bool heavy = traits<M>::structure.decay == decaying::channel || sizeof(R) == 8 || traits<M>::lowered(n) > 128;
  const int tokens = (heavy ? 32 : 64) / traits<M>::micro;
  return {tokens > 0 ? tokens : 1, 64};
}
/// Products of a call: three tf32 products where q, k, v are stored in 32 bit, one where in 16, unless a running maximum makes
/// gradients differences of long sums.
template <class X>
constexpr int passes = sizeof(typename X::types_type::storage) == 2 && !traits<typename X::mixer_type>::stabilised ? 1 : 3;

/// Below this many tokens the token loop is cheaper than a chunk's set-up.
constexpr idx shortest_chunkwise = 16;
/// Largest n and d of the chunk kernels; above it the recurrence serves.
constexpr int widest_chunkwise = 256;

}  // namespace coefdyn::cuda::generic
