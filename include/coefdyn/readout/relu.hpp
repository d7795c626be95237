// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"
#include "../core/principle.hpp"

namespace coefdyn::readout {

/// phi(s) = max(s, 0): exact zeros on a half-space of keys; phi'(0) = 0.
///
/// shape   scalar to scalar, no unit
/// range   phi >= 0
/// error   none: NaN in gives NaN out
/// source  Wortsman et al., arXiv:2309.08586; arXiv:2510.09389, principle 2
struct relu {
  static constexpr bool is_linear = false;
  template <class R>
  COEFDYN_HD static R apply(R s) {
    return math::positive_part(s);
  }
  template <class R>
  COEFDYN_HD static R derivative(R s) {
    return math::select(s > R(0), R(1), math::select(s <= R(0), R(0), s));
  }

  // facts that kernels and principles may use
  static constexpr bool is_nonnegative = true;
  static constexpr near_zero_set near_zero = near_zero_set::half_space;
};

}  // namespace coefdyn::readout
