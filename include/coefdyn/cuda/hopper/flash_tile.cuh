// SPDX-License-Identifier: MIT
#pragma once

#include "fragment.cuh"
#include "place.cuh"
#include "ring.cuh"
#include "tensor_map.cuh"

/// What the three kernels of the parallel form share: a call's arguments, the tile that a block has, products of tiles, rows by hand.
namespace coefdyn::cuda {

enum class normaliser { sum, constant };

namespace flash {

using hopper::accumulate, hopper::multiply_rows, hopper::round_operand, hopper::max_row, hopper::sum_row;
using hopper::pipeline, hopper::ring, hopper::swizzled, hopper::tile_memory;

inline constexpr int tile = 128;  // rows of a block; two warpgroups of 64
inline constexpr float log2_e = 1.4426950408889634f;

// Warpgroups 0 and 1 compute; of the third only the first warp works, and copies.
inline constexpr int threads = 384, copying_group = 2, copying_end = 128 * copying_group + 32;
inline constexpr int computing_warps = 8;  // each says once that a slot is empty
// Registers of a thread of theirs.
inline constexpr int copying_registers = 24, computing_registers = 240;
inline constexpr uint32_t half_panel = 64 * hopper::row_bytes;  // a warpgroup's rows in a panel of 64 columns
// Barriers by number, one for each computing warpgroup.
inline constexpr int turn_barrier = 2, out_barrier = 4;

/// What a kernel is compiled for.
template <class phi_, normaliser norm_, bool decay_, bool packed_>
struct choices {
  using phi = phi_;
  static constexpr normaliser norm = norm_;
  static constexpr bool decay = decay_, packed = packed_;
};

/// A tensor as the copy engine sees it, and as threads do: rows at the end of a packed sequence move by hand.
struct mapped {
  CUtensorMap map;
  tensor rows;
};

/// What a block of any kernel reads. Boxes of maps are as the kernel wants them.
struct call {
  mapped q, k, v;
  int batch, heads;
  uint32_t q_share, k_share, v_share;  // see shared_head
  int tiles, group;                    // of a batch row, or of all packed sequences at most; `group` heads share the L2 at a time
  int64_t time;
  float scale, constant;
  const float* gate;  // (batch, heads, tiles 128): inclusive sums of gates in a tile, base 2
  sequence_offsets offsets;
};

/// h / group of a processed head h by the reciprocal share_of(group), where (2 h + 1) group < 2^31.
inline uint32_t share_of(int group) { return (0x80000000u + group - 1) / group; }
__device__ __forceinline__ int shared_head(int h, uint32_t share) { return __umulhi(2 * h + 1, share); }

/// The tile that a block has.
struct place {
  int tile, head, batch;  // tile: of the sequence
  hopper::sequence_span of;
  __device__ bool empty() const { return int64_t(tile) * flash::tile >= of.length; }
  __device__ int row() const { return static_cast<int>(of.begin) + tile * flash::tile; }
  __device__ bool cut() const { return left(0) < flash::tile; }
  /// Tokens of the sequence from the tile's row `first` on, 128 at most.
  __device__ int left(int first) const { return static_cast<int>(min(of.length - tile * flash::tile - first, int64_t(flash::tile))); }
  /// Where the sequence's rows start in arrays (batch, heads, time), its tiles in arrays (batch, heads, tiles).
  __device__ int64_t line(const call& c) const { return (int64_t(batch) * c.heads + head) * c.time + of.begin; }
  __device__ int64_t first_tile(const call& c) const { return (int64_t(batch) * c.heads + head) * c.tiles + of.first; }
};

/// Longest tiles first inside a group of heads whose keys and values fit the L2.
template <bool packed>
__device__ __forceinline__ place locate(const call& c, int index, bool last_first) {
  const int all = c.batch * c.heads, per = c.group * c.tiles;
  const int first = index / per * c.group, width = min(c.group, all - first), rest = index % per;
  const int t = rest / width, head = first + rest % width;
  place at{last_first ? c.tiles - 1 - t : t, head % c.heads, head / c.heads, {0, c.time, 0}};
  if constexpr (packed) at.of = hopper::sequence_of<tile>(c.offsets, at.tile), at.tile -= at.of.first;
  return at;
}

/// A computing thread: register e of its warpgroup's accumulators (64, columns) is row row0 (+ 8), columns from column0 on.
struct computing_thread {
  int group, thread, warp, lane, row0, column0;  // row0: of the warpgroup
  __device__ __forceinline__ computing_thread(int group_, int lane_)
      : group(group_), thread(threadIdx.x % 128), warp(thread / 32), lane(lane_), row0(16 * warp + lane / 4), column0(2 * (lane % 4)) {}
};

/// Copies `valid` rows of a (count, n) tile by hand and zeroes those behind them, as the copy engine does past a tensor's end: they
/// hold another sequence's tokens, and a weight of 0 does not undo a NaN. One warp; the tile is ready for the tensor cores.
template <int n, int count>
__device__ __forceinline__ void copy_rows(uint32_t to, const tensor& x, int first, int head, int valid, int lane) {
  const bf16* const from = static_cast<const bf16*>(x.data) + first * x.time + head * x.head + lane % 8 * 8;
#pragma unroll 1
  for (int row = lane / 8; row < count; row += 4)
#pragma unroll
    for (int panel = 0; panel < n / 64; ++panel)
      ptx::copy16(to + panel * (count * 128) + swizzled(row, lane % 8), from + (row < valid ? row : 0) * x.time + panel * 64,
                  row < valid ? 16 : 0);
  ptx::copy_commit();
  ptx::copy_wait<0>();
  ptx::fence_async_shared();
  __syncwarp();
}

/// A warpgroup's `valid` first rows of accumulators (64, n), rounded, by hand.
template <int n>
__device__ __forceinline__ void write_rows(const float (&x)[n / 2], const tensor& to, int row, int head, int valid,
                                           const computing_thread& own) {
  bf16* const out = static_cast<bf16*>(to.data) + head * to.head + 2 * (own.lane % 4);
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int mine = own.row0 + 8 * r;
    if (mine < valid)
#pragma unroll
      for (int b = 0; b < n / 8; ++b)
        *reinterpret_cast<uint32_t*>(out + (row + mine) * to.time + 8 * b) = ptx::pack_bf16(x[4 * b + 2 * r], x[4 * b + 2 * r + 1]);
  }
}

/// A warpgroup's (64, n) accumulators, rounded, through its own rows of a (128, n) tile and out to global memory; by hand, rows below
/// the sequence's end, where another sequence follows inside the tile.
template <int n, bool packed>
__device__ __forceinline__ void copy_out(const float (&x)[n / 2], uint32_t through, const mapped& to, const place& at,
                                         const computing_thread& own) {
  const int row = at.row() + 64 * own.group;
  if constexpr (packed)
    if (const int valid = at.left(64 * own.group); valid < 64) {
      write_rows<n>(x, to.rows, row, at.head, valid, own);
      return;
    }
  hopper::store_rounded<n>(x, through, tile * hopper::row_bytes, 64 * own.group + 16 * own.warp, own.lane);
  ptx::fence_async_shared();
  ptx::named_sync<128>(out_barrier + own.group);
  if (own.thread == 0) {
#pragma unroll
    for (int panel = 0; panel < n / 64; ++panel)
      ptx::tensor_store(&to.map, through + panel * (tile * hopper::row_bytes) + own.group * half_panel, 0, row, panel, at.head, at.batch);
    ptx::bulk_commit();
    ptx::bulk_wait<0>();
  }
}

}  // namespace flash
}  // namespace coefdyn::cuda
