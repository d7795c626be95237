// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"
#include "../core/principle.hpp"

namespace coefdyn::readout {

/// phi(s) = e^s: softmax attention's map.
///
/// shape   scalar to scalar, no unit
/// range   phi > 0; with a sum or floored sum the running maximum is taken out first, so no exponent is positive; without
///         one, e^s overflows where the definition does (s > 88 in float, 709 in double)
/// error   none
/// source  Vaswani et al., arXiv:1706.03762; arXiv:2510.09389 Example 1
struct exponential {
  static constexpr bool is_linear = false;
  static constexpr bool needs_max = true;  // phi(s + c) = e^c phi(s)
  template <class R>
  COEFDYN_HD static R apply(R s) {
    return math::exp(s);
  }
  template <class R>
  COEFDYN_HD static R derivative(R s) {
    return math::exp(s);
  }

  // facts that kernels and principles may use
  static constexpr bool is_nonnegative = true;
  static constexpr near_zero_set near_zero = near_zero_set::half_line;
};

}  // namespace coefdyn::readout
