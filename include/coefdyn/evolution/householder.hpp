// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"
#include "along.hpp"

namespace coefdyn::evolution {

/// A_t = I - beta_t z_t z_t': a reflection or projection along z_t.
///
/// streams beta [B, T w, H] (or [H]), and z [B, T w, H, n] with along::z; z is used as given, not normalised
/// range   a contraction for beta |z|^2 in [0, 2]
/// error   none
/// source  DeltaNet, arXiv:2406.06484; arXiv:2510.09389 (learned z_t)
template <along Vector = along::key, strength From = strength::per_write>
struct householder : reflection<Vector> {
  using streams = std::conditional_t<Vector == along::key, list<beta_need<From>>, list<beta_need<From>, z_need>>;
  static constexpr structure_of structure{.correction = Vector == along::key ? rank_one::along_key : rank_one::free};

  // facts that principles may use
  static constexpr contraction contractive = contraction::depends;  // on beta |z|^2 in [0, 2]
};

}  // namespace coefdyn::evolution
