// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"

namespace coefdyn::scaling {

/// b_j = beta_j: the delta rules' write strength, the same stream as the Householder's (its gradient has both paths).
///
/// streams beta, as the evolution has it, else [B, T w, H]
/// range   0..2
/// error   refused with a product of Householders that writes once (beta per factor)
/// source  DeltaNet, arXiv:2406.06484
struct beta {
  using streams = list<unless_declared<per_write<stream::beta>>>;
  template <class At>
  COEFDYN_HD static auto scale(const At& at) {
    return at.beta;
  }

  // facts that kernels may use
  static constexpr basis depends_on = basis::streams;
};

}  // namespace coefdyn::scaling
