// SPDX-License-Identifier: MIT
#pragma once
#include "../core/mixer.hpp"
#include "l2.hpp"

namespace coefdyn::feature {

/// psi(x) = Psi(x) / |Psi(x)| of a map Psi channel by channel, and 0 with gradient 0 where Psi(x) = 0.
///
/// shape   vector to vector of n
/// range   |psi| = 1 or 0; each channel has the sign of Psi
/// error   none of its own
/// source  Yang et al., arXiv:2412.06464 (SiLU, then l2)
template <class Psi>
struct unit {
  static_assert(maps_channels<Psi>, "coefdyn: feature::unit<Psi> needs a Psi that maps channel by channel, `R apply(R x)`.");
  template <class R>
  COEFDYN_HD static void apply(const R* x, R* y, int n) {
    by_channel(n, y, [&](int c) { return Psi::apply(x[c]); });
    l2::apply(static_cast<const R*>(y), y, n);
  }
  /// dx from y = psi(x) and dy; dx holds Psi(x) in between.
  template <class R>
  COEFDYN_HD static void pull_back(const R* x, const R* y, const R* dy, R* dx, int n) {
    by_channel(n, dx, [&](int c) { return Psi::apply(x[c]); });
    l2::pull_back(static_cast<const R*>(dx), y, dy, dx, n);
    by_channel(n, dx, [&](int c) { return dx[c] * Psi::apply(dual<R>(x[c], R(1))).d; });
  }

  // facts that kernels may use
  static constexpr bool is_nonnegative = Psi::is_nonnegative;
};

}  // namespace coefdyn::feature
