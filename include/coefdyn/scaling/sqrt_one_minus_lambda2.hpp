// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"

namespace coefdyn::scaling {

/// b_j = sqrt(1 - |lambda_j|^2): keeps the state's variance at the input's; per channel where lambda is.
///
/// streams the evolution's log_decay
/// range   0..1; its slope at lambda = 1, which is infinite, counts as 0
/// error   refused for an evolution without log_decay
/// source  LRU, arXiv:2303.06349
struct sqrt_one_minus_lambda2 {
  static constexpr basis depends_on = basis::numbers;  // with a scalar lambda; per channel lambda is a vector
  using streams = list<declared_elsewhere<stream::log_decay>>;
  template <class At>
    requires requires(At at) { -at.log_decay; }
  COEFDYN_HD static auto scale(const At& at) {
    return math::sqrt(-math::expm1(at.log_decay + at.log_decay));
  }
  template <class At>
    requires requires(At at) { at.log_decay[0]; }
  COEFDYN_HD static auto scale(const At& at, int c) {
    return math::sqrt(-math::expm1(at.log_decay[c] + at.log_decay[c]));
  }
};

}  // namespace coefdyn::scaling
