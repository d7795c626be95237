// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"

namespace coefdyn::scaling {

/// b_j = Delta_j = P::delta(raw_j, dt_bias): the step size of an evolution::parameterised<A, P> from the same raw numbers (their gradient
/// has both paths).
///
/// streams raw and dt_bias, as the evolution has them, one a head
/// range   > 0
/// error   refused beside an evolution that is not parameterised
/// source  Mamba-2, arXiv:2405.21060
template <class P>
struct step {
  using streams = list<declared_elsewhere<stream::raw>, declared_elsewhere<stream::dt_bias>>;
  template <class At>
    requires requires(At at) { P::delta(at.raw, at.dt_bias); }
  COEFDYN_HD static auto scale(const At& at) {
    return P::delta(at.raw, at.dt_bias);
  }

  // facts that kernels may use
  static constexpr basis depends_on = basis::streams;
};

}  // namespace coefdyn::scaling
