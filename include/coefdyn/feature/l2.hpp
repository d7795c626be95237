// SPDX-License-Identifier: MIT
#pragma once
#include "../core/channels.hpp"

namespace coefdyn::feature {

/// psi(x) = x / |x|, and 0 with gradient 0 where x = 0; no epsilon.
///
/// shape   vector to vector of n
/// range   |psi| = 1 or 0, for entries down to the smallest subnormal number and up to the largest
/// error   none: an entry of NaN gives a row of them
/// source  Yang et al. (DeltaNet), arXiv:2406.06484
struct l2 {
  template <class R>
  COEFDYN_HD static void apply(const R* x, R* y, int n) {
    const scales<R> s(x, n);
    by_channel(n, y, [&](int c) {
      COEFDYN_SUMS_IN_ORDER
      return s.inverse_norm * math::in_order(s.unit * x[c]);
    });
  }
  /// dx from y = psi(x) and dy.
  template <class R>
  COEFDYN_HD static void pull_back(const R* x, const R* y, const R* dy, R* dx, int n) {
    const scales<R> s(x, n);
    const R dot = sum_over<R>(n, [&](int c) { return y[c] * dy[c]; });
    by_channel(n, dx, [&](int c) {
      COEFDYN_SUMS_IN_ORDER
      return s.unit * math::in_order(s.inverse_norm * (dy[c] - y[c] * dot));
    });
  }

  // facts that kernels may use
  static constexpr bool is_nonnegative = false;

 private:
  /// 1 / |unit x| with a power of two `unit`: 1 but where |x| or its inverse comes near the end of the range.
  template <class R>
  struct scales {
    R unit, inverse_norm;
    COEFDYN_HD scales(const R* x, int n) {
      constexpr bool double_range = math::deepest_exponent<R> > 100;
      const R top = n ? max_over<R>(n, [&](int c) { return math::abs(x[c]); }) : R(0), whole = top == R(0) ? R(1) : top;
      unit = R(1);
      if (top < R(double_range ? 0x1p-900 : 0x1p-90)) unit = R(double_range ? 0x1p+1000 : 0x1p+100);
      if (top > R(double_range ? 0x1p+900 : 0x1p+90)) unit = R(double_range ? 0x1p-1000 : 0x1p-100);
      const R square = sum_over<R>(n, [&](int c) { return (x[c] / whole) * (x[c] / whole); });
      inverse_norm = top == R(0) ? square : R(1) / (whole * unit * math::sqrt(square));  // 0, unless NaN hides behind zeros
    }
  };
};

}  // namespace coefdyn::feature
