// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"
#include "../core/principle.hpp"

namespace coefdyn::readout {

/// phi(s) = log(1 + e^s): smooth, positive, not linear.
///
/// shape   scalar to scalar, no unit
/// range   phi > 0; evaluated with no exponent above zero
/// error   none: NaN in gives NaN out
/// source  arXiv:2510.09389, Example 1
struct softplus {
  static constexpr bool is_linear = false;
  template <class R>
  COEFDYN_HD static R apply(R s) {
    return math::softplus(s);
  }
  template <class R>
  COEFDYN_HD static R derivative(R s) {
    return math::sigmoid(s);
  }

  // facts that kernels and principles may use
  static constexpr bool is_nonnegative = true;
  static constexpr near_zero_set near_zero = near_zero_set::half_line;
  // phi'(s) = derivative(s, e), e = e^exponent(s)
  template <class R>
  COEFDYN_HD static R exponent(R s) {
    return -math::abs(s);
  }
  template <class R>
  COEFDYN_HD static R derivative(R s, R e) {
    return math::sigmoid_of(s, e);
  }
};

}  // namespace coefdyn::readout
