// SPDX-License-Identifier: MIT
#pragma once

#include "../../core/tokens.hpp"

/// Where the pieces of `width` tokens, into which sequences are cut, lie among those of a call.
namespace coefdyn::cuda::hopper {

/// A sequence: its rows in the tensor, and the first of its pieces. The pieces of packed sequence i start at begin / width + i, which
/// leaves room for each, so that a block finds its sequence by bisection; a piece left over is empty.
struct sequence_span {
  int64_t begin, length;
  int first;
};
/// The packed sequence that has piece t.
template <int width>
COEFDYN_HD inline sequence_span sequence_of(const sequence_offsets& offsets, int t) {
  idx low = 0, high = offsets.count - 1;
  while (high - low > 1) {
    const idx middle = (low + high) / 2;
    (offsets[middle] / width + middle <= t ? low : high) = middle;
  }
  const int64_t begin = offsets[low];
  return {begin, offsets[low + 1] - begin, static_cast<int>(begin / width + low)};
}
/// The same where sequences may also be rows of a batch, `time` tokens each.
template <int width>
COEFDYN_HD inline sequence_span sequence_of(const sequence_offsets& offsets, int64_t time, int t) {
  return offsets ? sequence_of<width>(offsets, t) : sequence_span{0, time, 0};
}
/// Pieces of a batch row, or a bound of those of all packed sequences.
template <int width>
COEFDYN_HD inline int64_t piece_count(const sequence_offsets& offsets, int64_t time) {
  return offsets ? time / width + offsets.count - 1 : (time + width - 1) / width;
}

}  // namespace coefdyn::cuda::hopper
