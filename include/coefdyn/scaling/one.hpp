// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"

namespace coefdyn::scaling {

/// b_j = 1.
///
/// streams none
/// range   -
/// error   none
/// source  linear attention, arXiv:2006.16236
struct one {
  static constexpr basis depends_on = basis::sizes;
  template <class At>
  COEFDYN_HD static typename At::real scale(const At&) {
    return typename At::real(1);
  }
};

}  // namespace coefdyn::scaling
