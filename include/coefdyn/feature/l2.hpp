// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"

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
    R top(0), square(0);
    for (int c = 0; c < n; ++c) top = math::max(top, math::abs(x[c]));
    if (top == R(0)) return R(0);
    for (int c = 0; c < n; ++c) square += (x[c] / top) * (x[c] / top);
    return R(1) / (top * math::sqrt(square));
  }
  template <class R>
  COEFDYN_HD static void apply(const R* x, R* y, int n) {
    const R f = inverse_norm(x, n);
    for (int c = 0; c < n; ++c) y[c] = f * x[c];
  }
  /// dx from y = psi(x) and dy.
  template <class R>
  COEFDYN_HD static void pull_back(const R* x, const R* y, const R* dy, R* dx, int n) {
    const R f = inverse_norm(x, n);
    R dot(0);
    for (int c = 0; c < n; ++c) dot += y[c] * dy[c];
    for (int c = 0; c < n; ++c) dx[c] = f * (dy[c] - y[c] * dot);
  }
};

}  // namespace coefdyn::feature
