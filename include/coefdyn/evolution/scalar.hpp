// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"

namespace coefdyn::evolution {

/// A_t = lambda_t I: one decay per token and head.
///
/// streams log_decay [B, T, H], natural log, <= 0
/// range   lambda in [0, 1]
/// error   none
/// source  Mamba-2 (SSD), arXiv:2405.21060; mLSTM, arXiv:2405.04517
struct scalar {
  using streams = list<per_head<stream::log_decay>>;
  static constexpr structure_of structure{.decay = decaying::scalar};
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at) {
    return at.log_decay;
  }

  // facts that kernels and principles may use
  static constexpr basis depends_on = basis::streams;
  static constexpr contraction contractive = contraction::yes;
};

}  // namespace coefdyn::evolution
