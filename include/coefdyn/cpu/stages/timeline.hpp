// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>

#include "../../core/mixer.hpp"
#include "../../core/tokens.hpp"

/// The order in which a sequence is gone through: rows of a token, chunks of tokens, and tokens that nobody reads.
namespace coefdyn::cpu {

/// Row that token i's read belongs to: its first row if it reads before writing, else its last.
template <class M>
COEFDYN_HD constexpr int read_row(int i) {
  return traits<M>::structure.order == reads::before_write ? i * traits<M>::micro : (i + 1) * traits<M>::micro - 1;
}

/// Tokens of [t, t + count) that are written only.
inline int unread(const extents& e, idx t, int count) {
  const idx from = e.first_read - t;
  return from <= 0 ? 0 : from > count ? count : int(from);
}

/// Calls body(t, count) for the chunks of a sequence; chunks also end where a state is captured.
template <class Body, class Positions>
void over_chunks(idx tokens, int length, const Positions& positions, Body body) {
  std::size_t next = 0;
  for (idx t = 0; t < tokens;) {
    idx count = tokens - t < length ? tokens - t : length;
    while (next < positions.size() && positions[next] <= t) ++next;
    if (next < positions.size() && positions[next] < t + count) count = positions[next] - t;
    body(t, int(count));
    t += count;
  }
}

}  // namespace coefdyn::cpu
