// SPDX-License-Identifier: MIT
#pragma once

#include "place.cuh"

/// Sequences cut into units of whole chunks, which sweeps go over one by one.
namespace coefdyn::cuda::sweep {

inline constexpr int chunk = 64;
inline constexpr int flux_chunks = 4, flux_width = chunk * flux_chunks;  // gate gradients restart from the flux every 256 tokens

/// Extents that all parts of a sweep share.
struct sizes {
  int64_t rows;  // tokens of one batch row; all tokens when packed
  int batch, heads, slices;
  int sequences;  // batch, or the number of packed sequences
  int64_t unit;   // tokens of a unit, a multiple of 256
  int units;      // of one sequence; at most, in all, when packed
  sequence_offsets offsets;
};

/// Where a unit of a sequence lies.
struct unit_span {
  int sequence, batch, unit, block0;
  int64_t row, length;  // first token in the tensor's rows; tokens of the sequence
  int64_t first;        // first token within the sequence
  int count;
  __device__ __forceinline__ int chunks() const { return (count + chunk - 1) / chunk; }
  __device__ __forceinline__ bool ends() const { return first + count >= length; }
};

COEFDYN_HD inline int64_t flux_block_count(const sizes& e) { return hopper::piece_count<flux_width>(e.offsets, e.rows) * e.batch; }
COEFDYN_HD inline int units_of(const sizes& e, int64_t length) {
  const int units = static_cast<int>((length + e.unit - 1) / e.unit);
  return units > 1 ? units : 1;
}

/// The unit's place; false past the last unit.
__device__ inline bool locate(const sizes& e, int unit, unit_span& s) {
  s.unit = unit;
  if (!e.offsets) {
    s.sequence = s.batch = unit / e.units;
    s.first = s.row = static_cast<int64_t>(unit % e.units) * e.unit;
    s.length = e.rows;
    s.count = static_cast<int>(min(e.unit, e.rows - s.first));
    s.block0 = static_cast<int>(s.sequence * ((e.rows + flux_width - 1) / flux_width) + s.first / flux_width);
    return s.sequence < e.batch;
  }
  s.batch = 0;
  int before = 0;
  for (int i = 0; i < e.sequences; ++i) {
    const int64_t begin = e.offsets[i], length = e.offsets[i + 1] - begin;
    const int here = units_of(e, length);
    if (unit < before + here) {
      s.sequence = i;
      s.first = static_cast<int64_t>(unit - before) * e.unit;
      s.row = begin + s.first;
      s.length = length;
      s.count = static_cast<int>(min(e.unit, length - s.first));
      s.block0 = static_cast<int>(begin / flux_width + i + s.first / flux_width);
      return true;
    }
    before += here;
  }
  return false;
}

}  // namespace coefdyn::cuda::sweep
