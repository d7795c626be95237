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
using sweep::first_number_warp, sweep::number_warps, sweep::state_barrier, sweep::row_barrier, sweep::tile_pipeline, sweep::unit_span;

/// What a pass is made for: y's rows, what is written, or in reverse the gradient of what is written.
enum class gives { rows, writes, gradient };

/// Registers of a thread: of the state's warpgroup, of the two that make rows or scores, of copies and numbers.
struct register_counts {
  int state, rows, copies;
};
template <gives what>
inline constexpr register_counts registers = what == gives::rows     ? register_counts{176, 144, 48}
                                             : what == gives::writes ? register_counts{208, 128, 48}
                                                                     : register_counts{200, 128, 48};

struct params {
  sweep::role r;              // kappa: b; rho: 1 / eta
  CUtensorMap inverse, rest;  // T - 1, boxes (64, 64); what its rounding leaves out, backward
  int inverse_group;          // heads that share one
  tensor strength;            // beta, fp32 [B, T, H]
  unsigned char* states;      // backward, of every chunk: see keep_state
  sweep::sizes size;
};

/// Numbers of a chunk's tokens; kappa is not used, outer the token's decay to the next state.
struct factors : sweep::factors {
  float given[chunk];      // b
  float corrected[chunk];  // beta times the token's decay from the carried state
};

template <int n, gives what>
struct layout {
  static constexpr uint32_t wide = chunk * n * 2, narrow = chunk * hopper::row_bytes;
  static constexpr uint32_t query = 0, key = query + (what == gives::writes ? 0 : wide), value = key + wide, inverse = value + narrow,
                            rest = inverse + narrow, stage = rest + (what == gives::rows ? 0 : narrow);
  static constexpr int stages = n == 128 ? 3 : 4;
  static constexpr uint32_t given = what == gives::gradient ? 2 * narrow : what == gives::rows ? wide : 0;  // scores in two parts; a state
  static constexpr uint32_t left = what == gives::writes ? 2 * narrow : narrow;  // w in two parts; or in one, or its gradient
  static constexpr uint32_t state = stage * stages, written = state + 2 * given, out = written + 2 * left;
  static constexpr uint32_t numbers = out + (what == gives::rows ? 2 * narrow : 0), barriers = numbers + stages * sizeof(factors);
  static constexpr uint32_t bytes = barriers + tile_pipeline<stages>::bytes + 2 * pipeline<2>::bytes;
  static constexpr uint32_t dynamic = bytes + hopper::swizzle_atom;  // room to align
};

/// What a block knows. Handed on by value, as a sweep's.
template <int n, gives what>
struct block {
  using L = layout<n, what>;
  static constexpr int columns = n;
  const params& p;
  const sweep::role& r;
  const sweep::sizes& size;
  tile_memory memory;
  unit_span s;
  int head, slice;
  bool packed;
  __device__ __forceinline__ uint32_t stage(int slot) const { return memory.base + slot * L::stage; }
  __device__ __forceinline__ uint32_t state(int slot) const { return memory.base + L::state + slot * L::given; }
  __device__ __forceinline__ uint32_t written(int slot) const { return memory.base + L::written + slot * L::left; }
  __device__ __forceinline__ uint32_t out(int slot) const { return memory.base + L::out + slot * L::narrow; }
  __device__ __forceinline__ tile_pipeline<L::stages> stages() const { return {memory.base + L::barriers}; }
  __device__ __forceinline__ pipeline<2> states() const { return {memory.base + L::barriers + tile_pipeline<L::stages>::bytes}; }
  __device__ __forceinline__ pipeline<2> writes() const { return {states().first + pipeline<2>::bytes}; }
  __device__ __forceinline__ factors& numbers(int slot) const { return reinterpret_cast<factors*>(memory.generic + L::numbers)[slot]; }
  /// Tiles of chunk `index`'s state.
  __device__ __forceinline__ unsigned char* states(int64_t index) const {
    const int64_t piece = size.offsets ? s.row / chunk + s.sequence + index : s.batch * ((size.rows + chunk - 1) / chunk) + index;
    return p.states + (piece * size.heads + head) * (n * 128 * int64_t(size.slices)) + slice * L::narrow;
  }
  /// A head's state in arrays (sequences, heads, ..).
  __device__ __forceinline__ int64_t owner(bool per_unit) const {
    return static_cast<int64_t>(per_unit ? s.unit : s.sequence) * size.heads + head;
  }
  __device__ __forceinline__ void init() const {
    stages().init(2, what == gives::writes ? state_warps : state_warps + row_warps / 2);
    states().init(state_warps, row_warps / 2);
    writes().init(state_warps, row_warps / 2);
    ptx::barrier_init_fence();
  }
};

}  // namespace coefdyn::cuda::delta
