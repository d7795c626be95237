// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"

namespace coefdyn::normalization {

/// eta_i = 1.
///
/// streams none
/// range   the coefficients are bounded only if |A| <= 1
/// error   none
/// source  plain linear attention, arXiv:2006.16236; Mamba-2, arXiv:2405.21060
struct one {
  static constexpr bool needs_sum = false;
  template <class At>
  COEFDYN_HD static typename At::real eta(typename At::real, const At&) {
    using R = typename At::real;
    return R(1);
  }

  // facts that kernels may use
  static constexpr basis depends_on = basis::sizes;
};

}  // namespace coefdyn::normalization
