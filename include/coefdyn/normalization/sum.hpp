// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"

namespace coefdyn::normalization {

/// eta_i = sum_j phi(.): the coefficients of a row add up to 1. A row whose weights are all exactly zero gives y = 0 with
/// gradient 0; a signed sum that cancels follows IEEE.
///
/// streams none
/// range   any sign when phi is linear and features are signed
/// error   none
/// source  Vaswani et al., arXiv:1706.03762; Katharopoulos et al., arXiv:2006.16236
struct sum {
  static constexpr bool needs_sum = true;
  static constexpr bool is_signed = true;
  template <class R, class At>
  COEFDYN_HD static R eta(R total, const At&) {
    return total;
  }
  /// 1 / total; the factor e^-m is in numerator and denominator. 0 where the inverse is not finite; NaN stays.
  template <class R, class At>
  COEFDYN_HD static R inverse(R total, R, const At&) {
    const R f = R(1) / total;
    return total != R(0) && math::is_infinite(f) ? R(0) : f;
  }
  template <class R, class At>
  COEFDYN_HD static R log_eta(R total, R m, const At&) {
    return math::log(math::abs(total)) + m;
  }

  // facts that kernels may use
  static constexpr basis depends_on = basis::sizes;  // beside the sum
  static constexpr bool is_the_sum = true;
};

}  // namespace coefdyn::normalization
