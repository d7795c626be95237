// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"
#include "along.hpp"

namespace coefdyn::evolution {

/// A_t = lambda_t (I - beta_t z_t z_t').
///
/// streams log_decay [B, T, H], natural log, <= 0; beta, z as in householder.hpp
/// range   a contraction for beta |z|^2 in [0, 2]
/// error   none
/// source  Gated DeltaNet, arXiv:2412.06464
template <along Vector = along::key, strength From = strength::per_write>
struct gated_householder : reflection<Vector> {
  using streams = std::conditional_t<Vector == along::key, list<per_head<stream::log_decay>, beta_need<From>>,
                                     list<per_head<stream::log_decay>, beta_need<From>, z_need>>;
  static constexpr structure_of structure{.decay = decaying::scalar,
                                          .correction = Vector == along::key ? rank_one::along_key : rank_one::free};
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at) {
    return at.log_decay;
  }

  // facts that principles may use
  static constexpr contraction contractive = contraction::depends;  // on beta |z|^2 in [0, 2]
};

}  // namespace coefdyn::evolution
