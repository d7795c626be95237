// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"
#include "../core/principle.hpp"

namespace coefdyn::readout {

/// phi(s) = tanh s.
///
/// shape   scalar to scalar, no unit
/// range   phi in (-1, 1), small near s = 0
/// error   none
/// source  arXiv:2510.09389, readout maps
struct tanh {
  static constexpr bool is_linear = false;
  template <class R>
  COEFDYN_HD static R apply(R s) {
    return math::tanh(s);
  }
  template <class R>
  COEFDYN_HD static R derivative(R s) {
    const R t = math::tanh(s);
    return R(1) - t * t;
  }

  // facts that kernels and principles may use
  static constexpr bool is_nonnegative = false;
  static constexpr near_zero_set near_zero = near_zero_set::hyperplane;
};

}  // namespace coefdyn::readout
