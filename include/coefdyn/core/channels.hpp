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
/// f(0) ... f(n - 1) joined by op: eight partial results from `start`, then in order.
template <class R, class F, class Op>
[[gnu::always_inline]] COEFDYN_HD inline R fold_over(int n, R start, F f, Op op) {
  constexpr int block = 8;
  R part[block];
  for (int j = 0; j < block; ++j) part[j] = start;
  int c = 0;
  for (; c + block <= n; c += block)
    for (int j = 0; j < block; ++j) part[j] = op(part[j], f(c + j));
  R total = part[0];
  for (int j = 1; j < block; ++j) total = op(total, part[j]);
  for (; c < n; ++c) total = op(total, f(c));
  return total;
}
/// sum_c f(c) over n channels.
template <class R, class F>
[[gnu::always_inline]] COEFDYN_HD inline R sum_over(int n, F f) {
  return fold_over(n, R(0), f, [](R a, R b) { return a + b; });
}
/// n > 0.
template <class R, class F>
[[gnu::always_inline]] COEFDYN_HD inline R max_over(int n, F f) {
  return fold_over(n, R(f(0)), f, [](R a, R b) { return math::max(a, b); });
}

}  // namespace coefdyn
