// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"

namespace coefdyn::scaling {

/// b_j = 1 - lambda_j (1 - |lambda_j| when complex), per channel where lambda is.
///
/// streams the evolution's log_decay
/// range   0..1, computed as -expm1(log lambda)
/// error   refused for an evolution without log_decay
/// source  HGRN2, arXiv:2404.07904; minGRU, arXiv:2410.01201
struct one_minus_lambda {
  using streams = list<declared_elsewhere<stream::log_decay>>;
  template <class At>
    requires requires(At at) { -at.log_decay; }
  COEFDYN_HD static auto scale(const At& at) {
    return -math::expm1(at.log_decay);
  }
  template <class At>
    requires requires(At at) { at.log_decay[0]; }
  COEFDYN_HD static auto scale(const At& at, int c) {
    return -math::expm1(at.log_decay[c]);
  }

  // facts that kernels may use
  static constexpr basis depends_on = basis::streams;  // with a scalar lambda; per channel lambda is a vector
};

}  // namespace coefdyn::scaling
