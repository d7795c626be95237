// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"
#include "../core/principle.hpp"

namespace coefdyn::readout {

/// phi(s) = max(s, 0)^2.
///
/// shape   scalar to scalar, no unit
/// range   phi >= 0
/// error   none: NaN in gives NaN out
/// source  So et al. (Primer), arXiv:2109.08668; Hua et al. (FLASH), arXiv:2202.10447
struct relu_squared {
  static constexpr bool is_linear = false;
  template <class R>
  COEFDYN_HD static R apply(R s) {
    const R p = math::positive_part(s);
    return p * p;
  }
  template <class R>
  COEFDYN_HD static R derivative(R s) {
    return R(2) * math::positive_part(s);
  }

  // facts that kernels and principles may use
  static constexpr bool is_nonnegative = true;
  static constexpr near_zero_set near_zero = near_zero_set::half_space;
};

}  // namespace coefdyn::readout
