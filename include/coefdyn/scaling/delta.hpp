// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"

namespace coefdyn::scaling {

/// b_j = Delta_j: the step size of a discretised state space model.
///
/// streams delta [B, T w, H]
/// range   > 0
/// error   none
/// source  Mamba-2, arXiv:2405.21060
struct delta {
  using streams = list<per_write<stream::delta>>;
  template <class At>
  COEFDYN_HD static auto scale(const At& at) {
    return at.delta;
  }

  // facts that kernels may use
  static constexpr basis depends_on = basis::streams;
};

}  // namespace coefdyn::scaling
