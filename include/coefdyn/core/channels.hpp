// SPDX-License-Identifier: MIT
#pragma once
#include "math.hpp"

/// Loops over channels, written so that every compiler makes vectors of them at -O2 and for any type.
namespace coefdyn {

/// out[c] = f(c): blocks of a known length, through a local array that nothing else points to. `f` may read `out`.
template <class R, class F>
[[gnu::always_inline]] COEFDYN_HD inline void by_channel(int n, R* out, F f) {
  constexpr int block = 16;
  int c = 0;
  for (; c + block <= n; c += block) {
    R part[block];
    for (int j = 0; j < block; ++j) part[j] = f(c + j);
    for (int j = 0; j < block; ++j) out[c + j] = part[j];
  }
  for (; c < n; ++c) out[c] = f(c);
}
/// Sum of f(c) over the channels: eight partial sums, added in order.
template <class R, class F>
[[gnu::always_inline]] COEFDYN_HD inline R sum_over(int n, F f) {
  constexpr int block = 8;
  R part[block];
  for (int j = 0; j < block; ++j) part[j] = R(0);
  int c = 0;
  for (; c + block <= n; c += block)
    for (int j = 0; j < block; ++j) part[j] += f(c + j);
  R total(0);
  for (int j = 0; j < block; ++j) total += part[j];
  for (; c < n; ++c) total += f(c);
  return total;
}
/// The largest of f(c), n > 0: eight partial ones.
template <class R, class F>
[[gnu::always_inline]] COEFDYN_HD inline R max_over(int n, F f) {
  constexpr int block = 8;
  R part[block];
  for (int j = 0; j < block; ++j) part[j] = f(0);
  int c = 0;
  for (; c + block <= n; c += block)
    for (int j = 0; j < block; ++j) part[j] = math::max(part[j], f(c + j));
  R most = part[0];
  for (int j = 1; j < block; ++j) most = math::max(most, part[j]);
  for (; c < n; ++c) most = math::max(most, f(c));
  return most;
}

}  // namespace coefdyn
