// SPDX-License-Identifier: MIT
#pragma once
#include "../core/channels.hpp"

namespace coefdyn::feature {

/// psi(x) = softmax of x over its n channels.
///
/// shape   vector to vector of n
/// range   > 0, sums to 1; the maximum is taken out first
/// error   none
/// source  Shen et al. (efficient attention), arXiv:1812.01243
struct softmax {
  template <class R>
  COEFDYN_HD static void apply(const R* x, R* y, int n) {
    const R top = max_over<R>(n, [&](int c) { return x[c]; });
    by_channel(n, y, [&](int c) { return math::exp(x[c] - top); });
    const R sum = sum_over<R>(n, [&](int c) { return y[c]; });
    by_channel(n, y, [&](int c) { return y[c] / sum; });
  }
  /// dx from y = psi(x) and dy.
  template <class R>
  COEFDYN_HD static void pull_back(const R*, const R* y, const R* dy, R* dx, int n) {
    const R dot = sum_over<R>(n, [&](int c) { return y[c] * dy[c]; });
    by_channel(n, dx, [&](int c) { return y[c] * (dy[c] - dot); });
  }

  // facts that kernels may use
  static constexpr bool is_nonnegative = true;
};

}  // namespace coefdyn::feature
