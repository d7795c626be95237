// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"
#include "../core/principle.hpp"

namespace coefdyn::readout {

/// phi(s) = s: the one readout map that has a recurrent form (Lemma 1).
///
/// shape   scalar to scalar, no unit
/// range   any s; phi of either sign, small only near s = 0 (a hyperplane of keys)
/// error   none
/// source  arXiv:2510.09389, Lemma 1
struct linear {
  static constexpr bool is_linear = true;
  template <class R>
  COEFDYN_HD static R apply(R s) {
    return s;
  }
  template <class R>
  COEFDYN_HD static R derivative(R) {
    return R(1);
  }

  // facts that kernels and principles may use
  static constexpr bool is_nonnegative = false;
  static constexpr near_zero_set near_zero = near_zero_set::hyperplane;
};

}  // namespace coefdyn::readout
