// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"

namespace coefdyn::evolution {

/// A_t = gamma_h I: one decay per head.
///
/// streams log_decay [H], natural log, <= 0
/// range   e^log_decay in [0, 1]
/// error   none
/// source  RetNet, arXiv:2307.08621; Lightning attention, arXiv:2401.04658
struct fixed_scalar {
  using streams = list<fixed_per_head<stream::log_decay>>;
  static constexpr structure_of structure{.decay = decaying::scalar, .constant = true};
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at) {
    return at.log_decay;
  }

  // facts that kernels and principles may use
  static constexpr basis depends_on = basis::streams;
  static constexpr contraction contractive = contraction::yes;
};

}  // namespace coefdyn::evolution
