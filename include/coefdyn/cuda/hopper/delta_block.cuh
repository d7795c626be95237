// SPDX-License-Identifier: MIT
#pragma once

#include "sweep_block.cuh"

/// A scalar decay with a correction along the key: S_t = lambda_t S_{t-1} + k_t w_t', w_t = b_t v_t - beta_t lambda_t S_{t-1}' k_t. In a
/// chunk the rows w solve a triangular system: w = T x, x_i = b_i v_i - beta_i E_i S' k_i with E the decay from the chunk's start, and
///   T = (1 + strictly lower (beta_i exp(decay between i and j) k_i . k_j))^-1,
/// which `invert` makes for all chunks ahead. The rest is a sweep whose values are w: y_i = r_i (E_i S' q_i + sum_j decay (q_i . k_j) w_j).
/// A block owns 64 of the value's columns; its state (64, n) stays in registers in fp32.
namespace coefdyn::cuda::delta {

using hopper::pipeline, hopper::ring, hopper::swizzled, hopper::tile_memory;
using sweep::chunk, sweep::threads, sweep::state_warps, sweep::row_warps, sweep::first_row_warp, sweep::copying_warp;
using sweep::first_number_warp, sweep::number_warps, sweep::state_barrier, sweep::row_barrier, sweep::unit_span;

// Registers of a thread: of the state's warpgroup, of those that make rows, of copies and numbers.
inline constexpr int state_registers = 176, row_registers = 144, copying_registers = 48;

struct params {
  sweep::role r;        // kappa: b; rho: 1 / eta
  CUtensorMap inverse;  // T, boxes (64, 64)
  int inverse_group;    // heads that share one
  tensor strength;      // beta, fp32 [B, T, H]
  sweep::sizes size;
};

/// Numbers of a chunk's tokens; kappa is not used, outer the token's decay to the next state.
struct factors : sweep::factors {
  float given[chunk];      // b
  float corrected[chunk];  // beta times the token's decay from the carried state
};

template <int n>
struct layout {
  static constexpr uint32_t wide = chunk * n * 2, narrow = chunk * hopper::row_bytes;
  static constexpr uint32_t query = 0, key = wide, value = key + wide, inverse = value + narrow, stage = inverse + narrow;
  static constexpr int stages = n == 128 ? 3 : 4;
  static constexpr uint32_t state = stage * stages, written = state + 2 * wide, out = written + 2 * narrow;
  static constexpr uint32_t numbers = out + 2 * narrow, barriers = numbers + stages * sizeof(factors);
  static constexpr uint32_t bytes = barriers + pipeline<stages>::bytes + 2 * pipeline<2>::bytes;
  static constexpr uint32_t dynamic = bytes + hopper::swizzle_atom;  // room to align
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
  __device__ __forceinline__ uint32_t written(int slot) const { return memory.base + L::written + slot * L::narrow; }
  __device__ __forceinline__ uint32_t out(int slot) const { return memory.base + L::out + slot * L::narrow; }
  __device__ __forceinline__ pipeline<L::stages> stages() const { return {memory.base + L::barriers}; }
  __device__ __forceinline__ pipeline<2> states() const { return {memory.base + L::barriers + pipeline<L::stages>::bytes}; }
  __device__ __forceinline__ pipeline<2> writes() const { return {states().first + pipeline<2>::bytes}; }
  __device__ __forceinline__ factors& numbers(int slot) const { return reinterpret_cast<factors*>(memory.generic + L::numbers)[slot]; }
  /// A head's state in arrays (sequences, heads, ..).
  __device__ __forceinline__ int64_t owner(bool per_unit) const {
    return static_cast<int64_t>(per_unit ? s.unit : s.sequence) * size.heads + head;
  }
  __device__ __forceinline__ void init() const {
    stages().init(2, state_warps + row_warps / 2);
    states().init(state_warps, row_warps / 2);
    writes().init(state_warps, row_warps / 2);
    ptx::barrier_init_fence();
  }
};

}  // namespace coefdyn::cuda::delta
