// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"
#include "../core/principle.hpp"

namespace coefdyn::readout {

/// phi(s) = max(s, 0)^2.
///
/// shape   scalar to scalar, no unit
/// range   phi >= 0
/// error   none
/// source  So et al. (Primer), arXiv:2109.08668; Hua et al. (FLASH), arXiv:2202.10447
struct relu_squared {
  static constexpr bool is_linear = false;
  static constexpr bool is_nonnegative = true;
  static constexpr near_zero_set near_zero = near_zero_set::half_space;
  template <class R>
  COEFDYN_HD static R apply(R s) {
    const R p = math::select(s > R(0), s, R(0));
    return p * p;
  }
  template <class R>
  COEFDYN_HD static R derivative(R s) {
    return R(2) * math::select(s > R(0), s, R(0));
  }
};

}  // namespace coefdyn::readout
