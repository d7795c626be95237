// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"
#include "../core/principle.hpp"

namespace coefdyn::readout {

/// phi(s) = 1 / (1 + e^-s).
///
/// shape   scalar to scalar, no unit
/// range   phi in (0, 1)
/// error   none
/// source  Ramapuram et al., arXiv:2409.04431
struct sigmoid {
  static constexpr bool is_linear = false;
  template <class R>
  COEFDYN_HD static R apply(R s) {
    return math::sigmoid(s);
  }
  template <class R>
  COEFDYN_HD static R derivative(R s) {
    const R p = math::sigmoid(s);
    return p * (R(1) - p);
  }

  // facts that kernels and principles may use
  static constexpr bool is_nonnegative = true;
  static constexpr near_zero_set near_zero = near_zero_set::half_line;
  // phi(s) = apply(s, e), phi'(s) = derivative(s, e), e = e^exponent(s)
  template <class R>
  COEFDYN_HD static R exponent(R s) {
    return -math::abs(s);
  }
  template <class R>
  COEFDYN_HD static R apply(R s, R e) {
    return math::sigmoid_of(s, e);
  }
  template <class R>
  COEFDYN_HD static R derivative(R s, R e) {
    const R p = math::sigmoid_of(s, e);
    return p * (R(1) - p);
  }
};

}  // namespace coefdyn::readout
