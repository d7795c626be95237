// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"
#include "../core/principle.hpp"

namespace coefdyn::scaling {

/// b_j = 1.
///
/// streams none
/// range   -
/// error   none
/// source  linear attention, arXiv:2006.16236
struct one {
  template <class At>
  COEFDYN_HD static typename At::real scale(const At&) {
    return typename At::real(1);
  }

  // facts that kernels and principles may use
  static constexpr basis depends_on = basis::sizes;
  static constexpr variance_factor variance = variance_factor::none;
};

}  // namespace coefdyn::scaling
