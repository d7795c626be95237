// SPDX-License-Identifier: MIT
#pragma once
#include "../core/channels.hpp"

namespace coefdyn::feature {

/// psi(x) = x / |x|, and 0 with gradient 0 where x = 0; no epsilon.
///
/// shape   vector to vector of n
/// range   |psi| = 1 or 0
/// error   none
/// source  Yang et al. (DeltaNet), arXiv:2406.06484
struct l2 {
  static constexpr bool is_nonnegative = false;
  template <class R>
  COEFDYN_HD static R inverse_norm(const R* x, int n) {
    const R top = max_over<R>(n, [&](int c) { return math::abs(x[c]); });
    if (top == R(0)) return R(0);
    const R square = sum_over<R>(n, [&](int c) { return (x[c] / top) * (x[c] / top); });
    return R(1) / (top * math::sqrt(square));
  }
  template <class R>
  COEFDYN_HD static void apply(const R* x, R* y, int n) {
    const R f = inverse_norm(x, n);
    by_channel(n, y, [&](int c) { return f * x[c]; });
  }
  /// dx from y = psi(x) and dy.
  template <class R>
  COEFDYN_HD static void pull_back(const R* x, const R* y, const R* dy, R* dx, int n) {
    const R f = inverse_norm(x, n);
    const R dot = sum_over<R>(n, [&](int c) { return y[c] * dy[c]; });
    by_channel(n, dx, [&](int c) { return f * (dy[c] - y[c] * dot); });
  }
};

}  // namespace coefdyn::feature
