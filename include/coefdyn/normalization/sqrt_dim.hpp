// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"
#include "../core/principle.hpp"

namespace coefdyn::normalization {

/// eta_i = sqrt(n): 1/sqrt(n) on the read, which the state does not carry.
///
/// streams none
/// range   n >= 1
/// error   none
/// source  RetNet, arXiv:2307.08621; GLA, arXiv:2312.06635
struct sqrt_dim {
  static constexpr bool needs_sum = false;
  template <class At>
  COEFDYN_HD static typename At::real eta(typename At::real, const At& at) {
    using R = typename At::real;
    return math::sqrt(R(at.n > 0 ? at.n : 1));  // of no channels: the empty sum, as it is
  }

  // facts that kernels and principles may use
  static constexpr basis depends_on = basis::sizes;
  static constexpr variance_factor variance = variance_factor::sqrt_dim;
};

}  // namespace coefdyn::normalization
