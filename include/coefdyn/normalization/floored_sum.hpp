// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"

namespace coefdyn::normalization {

/// eta_i = max(|sum_j phi(.)|, 1). On a state kept scaled by e^-m it reads max(|sum~|, e^-m), m >= 0, so no exponent is
/// positive. The gradient passes through the sum where |sum| >= 1. A sum that cancels below e^-87 of its largest weight (e^-708
/// in double) counts as that.
///
/// streams none
/// range   >= 1
/// error   none
/// source  mLSTM (xLSTM), arXiv:2405.04517; without the peers' epsilon
struct floored_sum {
  static constexpr bool needs_sum = true;
  static constexpr bool is_signed = false;
  static constexpr bool floors_at_one = true;  // m starts at 0
  template <class R, class At>
  COEFDYN_HD static R eta(R total, const At&) {
    const R size = math::abs(total);
    return math::max(size, R(1));
  }
  template <class R, class At>
  COEFDYN_HD static R inverse(R total, R m, const At&) {
    const R size = math::abs(total), floor = math::exp(-math::min(m, R(math::deepest_exponent<R>)));
    return R(1) / math::max(size, floor);
  }
  template <class R, class At>
  COEFDYN_HD static R log_eta(R total, R m, const At&) {
    const R l = math::log(math::abs(total)) + m;
    return math::max(l, R(0));
  }

  // facts that kernels may use
  static constexpr basis depends_on = basis::sizes;  // beside the sum
};

}  // namespace coefdyn::normalization
