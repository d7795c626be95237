// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"
#include "../core/principle.hpp"

namespace coefdyn::readout {

/// phi(s) = elu(s) + 1: s + 1 above zero, e^s below.
///
/// shape   scalar to scalar, no unit
/// range   phi > 0
/// error   none
/// source  Katharopoulos et al., arXiv:2006.16236 (there as a feature map)
struct elu_plus_one {
  static constexpr bool is_linear = false;
  template <class R>
  COEFDYN_HD static R apply(R s) {
    return math::select(s > R(0), s + R(1), math::exp(math::select(s > R(0), R(0), s)));
  }
  template <class R>
  COEFDYN_HD static R derivative(R s) {
    return math::select(s > R(0), R(1), math::exp(math::select(s > R(0), R(0), s)));
  }

  // facts that kernels and principles may use
  static constexpr bool is_nonnegative = true;
  static constexpr near_zero_set near_zero = near_zero_set::half_line;
  // phi(s) = apply(s, e), e = e^exponent(s)
  template <class R>
  COEFDYN_HD static R exponent(R s) {
    return math::min(s, R(0));
  }
  template <class R>
  COEFDYN_HD static R apply(R s, R e) {
    return math::select(s > R(0), s + R(1), e);
  }
};

}  // namespace coefdyn::readout
