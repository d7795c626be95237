// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"

namespace coefdyn::feature {

/// psi(x) = softmax of x over its n channels.
///
/// shape   vector to vector of n
/// range   > 0, sums to 1; the maximum is taken out first
/// error   none
/// source  Shen et al. (efficient attention), arXiv:1812.01243
struct softmax {
  static constexpr bool is_nonnegative = true;
  template <class R>
  COEFDYN_HD static void apply(const R* x, R* y, int n) {
    R top = x[0], sum(0);
    for (int c = 1; c < n; ++c) top = math::max(top, x[c]);
    for (int c = 0; c < n; ++c) sum += y[c] = math::exp(x[c] - top);
    for (int c = 0; c < n; ++c) y[c] = y[c] / sum;
  }
  /// dx from y = psi(x) and dy.
  template <class R>
  COEFDYN_HD static void pull_back(const R*, const R* y, const R* dy, R* dx, int n) {
    R dot(0);
    for (int c = 0; c < n; ++c) dot += y[c] * dy[c];
    for (int c = 0; c < n; ++c) dx[c] = y[c] * (dy[c] - dot);
  }
};

}  // namespace coefdyn::feature
