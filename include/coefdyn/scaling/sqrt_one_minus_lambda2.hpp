// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"

namespace coefdyn::scaling {

/// b_j = sqrt(1 - |lambda_j|^2): keeps the state's variance at the input's; per channel where lambda is.
///
/// streams the evolution's log_decay
/// range   0..1; its slope at lambda = 1, which is infinite, counts as 0. A |lambda|^2 up to 1e-5 above 1 is rounding and counts as
///         1: b = 0 with slope 0; beyond that 1 - |lambda|^2 has no root, and b is NaN
/// error   refused for an evolution without log_decay
/// source  LRU, arXiv:2303.06349
struct sqrt_one_minus_lambda2 {
  using streams = list<declared_elsewhere<stream::log_decay>>;
  template <class At>
    requires requires(At at) { -at.log_decay; }
  COEFDYN_HD static auto scale(const At& at) {
    return of(at.log_decay + at.log_decay);
  }
  template <class At>
    requires requires(At at) { at.log_decay[0]; }
  COEFDYN_HD static auto scale(const At& at, int c) {
    return of(at.log_decay[c] + at.log_decay[c]);
  }

  // facts that kernels may use
  static constexpr basis depends_on = basis::streams;  // with a scalar lambda; per channel lambda is a vector

 private:
  template <class R>
  COEFDYN_HD static R of(R log_square) {
    const R rest = -math::expm1(log_square);
    return math::sqrt(math::select(rest < R(0) && rest > R(-1e-5), R(0), rest));
  }
};

}  // namespace coefdyn::scaling
