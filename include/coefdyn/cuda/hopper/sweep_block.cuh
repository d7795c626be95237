// SPDX-License-Identifier: MIT
#pragma once

#include <numeric>

#include "fragment.cuh"
#include "ring.cuh"
#include "tensor_map.cuh"
#include "units.cuh"

/// One sweep computes, for every row i, out_i = rho_i sum_j exp(decay between i and j) (query_i . key_j) kappa_j value_j,
/// over j <= i, or over j >= i in reverse. The four products of the family differ only in who plays which part:
///   y   query q,  key k,  value v           dq  query dy, key v, value k
///   dv  query k,  key q,  value dy, reverse  dk  query v,  key dy, value q, reverse
/// A block owns 64 of the value's columns; its state (64, n) stays in registers in fp32.
namespace coefdyn::cuda::sweep {

using hopper::pipeline, hopper::ring, hopper::swizzled, hopper::tile_memory;

inline constexpr float log2_e = 1.4426950408889634f;
inline constexpr float gate_floor = -110.f;  // exp of it is 0 in fp32; keeps sums of gates in a chunk exact enough

// Warps of a block: a warpgroup for the state, one for even chunks' rows, one for odd chunks', one for copies and numbers.
inline constexpr int threads = 512, state_warps = 4, row_warps = 8;
inline constexpr int first_row_warp = state_warps, copying_warp = first_row_warp + row_warps, first_number_warp = copying_warp + 1;
inline constexpr int number_warps = 3;
/// The ring of tiles on their way: warps of numbers have every third one, warpgroups of rows every second one.
template <int stages>
using tile_pipeline = pipeline<stages, std::lcm(stages, 2 * number_warps)>;
// Registers of a thread of theirs.
inline constexpr int state_registers = 152, row_registers = 144, copying_registers = 56;
// Barriers by number: of the state's warpgroup, of the two that make rows.
inline constexpr int state_barrier = 1, row_barrier = 2;

/// Who plays which part, and where the numbers of a token are. Strides are in elements.
struct role {
  CUtensorMap query, key, value, probe, out;             // boxes (64, n), (64, n), (64, 64), (64, 64), (64, 64)
  int query_group, key_group, value_group, probe_group;  // heads that share one
  int gate_group, kappa_group, rho_group;
  tensor gate, kappa, rho;  // fp32 [B, T, H] or absent
  const float* fixed_gate;  // (heads) or absent
  float kappa_constant, rho_constant;
  tensor direct_out;      // the same tensor as `out`, for tails inside packed sequences
  const float* state_in;  // (owners, heads, n, d) or absent
  float* state_out;
  int64_t state_size, state_row, state_column;  // n d, and the strides of the block's rows and columns in it
  bool in_per_unit, out_per_unit, reverse;
  float* carry_total;     // (units, heads): product of a unit's decays
  float* dots;            // (slices, heads, rows): out_i . probe_i over the slice, rho = 1 where it is 0
  uint4* checkpoint_out;  // states in bf16 at the ends of flux blocks, in fragment order
  uint4* checkpoint_in;
  float* flux;  // (slices, blocks, heads): <state, checkpoint>
};

struct params {
  role part[2];  // neighbouring blocks, so that streams the parts share are read once
  int parts;
  bool entering;  // only what enters a unit is wanted, so that a sequence's last unit of a summary is left out
  sizes size;
};

/// Numbers of a chunk's tokens.
struct factors {
  float gate[chunk];  // inclusive sums of gates, base 2
  float kappa[chunk];
  float rho[chunk];    // 1 where it is 0 and probed, so that its own gradient exists
  float inner[chunk];  // rho times the row's decay to the carried state
  float outer[chunk];  // kappa times the token's decay to the next state
  float shown[chunk];  // 0 where rho is 0, else 1
  float carry;         // the carried state's decay
  float unused[15];
};

template <int n, bool emit, bool probe>
struct layout {
  static constexpr uint32_t wide = chunk * n * 2, narrow = chunk * hopper::row_bytes;
  static constexpr uint32_t query = 0, key = query + (emit ? wide : 0), value = key + wide, test = value + narrow;
  static constexpr uint32_t stage = test + (probe ? narrow : 0);
  static constexpr int stages = n == 128 ? (emit ? (probe ? 3 : 4) : 8) : (emit ? 5 : 8);
  static constexpr uint32_t state = stage * stages, out = state + (emit ? 2 * wide : 0);  // rounded states; finished rows
  static constexpr uint32_t numbers = out + (emit ? 2 * narrow : 0);
  static constexpr uint32_t partial = numbers + stages * sizeof(factors);
  static constexpr uint32_t barriers = partial + 16;
  static constexpr uint32_t bytes = barriers + tile_pipeline<stages>::bytes + pipeline<2>::bytes;
  static constexpr uint32_t dynamic = bytes + hopper::swizzle_atom;  // room to align
};

/// What a block knows. Handed on by value: what is behind a reference would be read again after each barrier.
template <int n, bool emit, bool probe>
struct block {
  using L = layout<n, emit, probe>;
  static constexpr int columns = n;
  const role& r;
  const sizes& size;
  tile_memory memory;
  unit_span s;
  int head, slice;
  bool packed;
  __device__ __forceinline__ uint32_t stage(int slot) const { return memory.base + slot * L::stage; }
  __device__ __forceinline__ uint32_t state(int slot) const { return memory.base + L::state + slot * L::wide; }
  __device__ __forceinline__ uint32_t out(int slot) const { return memory.base + L::out + slot * L::narrow; }
  __device__ __forceinline__ tile_pipeline<L::stages> stages() const { return {memory.base + L::barriers}; }
  __device__ __forceinline__ pipeline<2> states() const { return {memory.base + L::barriers + tile_pipeline<L::stages>::bytes}; }
  __device__ __forceinline__ factors& numbers(int slot) const { return reinterpret_cast<factors*>(memory.generic + L::numbers)[slot]; }
  __device__ __forceinline__ float* partial() const { return reinterpret_cast<float*>(memory.generic + L::partial); }

  /// The chunk that is c-th in the sweep's order.
  __device__ __forceinline__ int index_of(int c) const { return r.reverse ? s.chunks() - 1 - c : c; }
  /// A head's state in arrays (units or sequences, heads, ..).
  __device__ __forceinline__ int64_t owner(bool per_unit) const {
    return static_cast<int64_t>(per_unit ? s.unit : s.sequence) * size.heads + head;
  }
  __device__ __forceinline__ void init() const {
    stages().init(2, emit ? state_warps + row_warps / 2 : state_warps);
    states().init(state_warps, row_warps / 2);
    ptx::barrier_init_fence();
  }
};

/// Zeroes the rows past `valid` of the key and value tiles; they hold another sequence's tokens. Each reading warpgroup does so
/// for itself.
template <class Block>
__device__ void clear_tail(const Block& b, int slot, int valid, int thread, int barrier) {
  using L = typename Block::L;
  unsigned char* tile = b.memory.generic + slot * L::stage;
  for (int row = valid + thread / 8; row < chunk; row += 16) {
    const uint32_t at = row * 128 + (thread % 8) * 16;
#pragma unroll
    for (int panel = 0; panel < Block::columns / 64; ++panel) *reinterpret_cast<uint4*>(tile + L::key + panel * L::narrow + at) = uint4{};
    *reinterpret_cast<uint4*>(tile + L::value + at) = uint4{};
  }
  ptx::fence_async_shared();
  ptx::named_sync<128>(barrier);
}

}  // namespace coefdyn::cuda::sweep
