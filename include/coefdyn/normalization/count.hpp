// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"

namespace coefdyn::normalization {

/// eta_i = i, counted from 1 at the sequence's first token (going on from the state's position).
///
/// streams none
/// range   >= 1
/// error   none
/// source  Wortsman et al., arXiv:2309.08586
struct count {
  static constexpr bool needs_sum = false;
  template <class At>
  COEFDYN_HD static typename At::real eta(typename At::real, const At& at) {
    using R = typename At::real;
    return R(static_cast<double>(at.position + 1));
  }

  // facts that kernels may use
  static constexpr basis depends_on = basis::numbers;
};

}  // namespace coefdyn::normalization
