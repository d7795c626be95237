// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"

namespace coefdyn::evolution {

/// A_t = [lambda_t] H_{m-1} ... H_1 H_0, H_l = I - beta_{t,l} z_{t,l} z_{t,l}': m factors, index 0 acts first, one write per
/// token after the last (DeltaProduct, which writes at every factor, is writes.hpp).
///
/// streams z [B, T, H, m, n], beta [B, T, H, m]; log_decay [B, T, H] with decaying::scalar
/// range   a contraction for every beta |z|^2 in [0, 2]
/// error   b = beta is refused: beta has one value per factor here
/// source  arXiv:2510.09389, products of Householders
template <int Factors, decaying Decay = decaying::none>
struct householder_product {
  using factor_streams = list<need<stream::beta, ticks::token, width::factors>, need<stream::z, ticks::token, width::factors_key>>;
  using streams = std::conditional_t<Decay == decaying::scalar, merged<list<per_head<stream::log_decay>>, factor_streams>, factor_streams>;
  static constexpr structure_of structure{.decay = Decay, .correction = rank_one::free, .micro_steps = Factors, .writes_each = false};
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at) {
    return at.log_decay;
  }
  template <class At>
  COEFDYN_HD static auto strength(const At& at) {
    return -at.beta;
  }
  template <class At>
  COEFDYN_HD static auto row(const At& at, int c) {
    return at.z[c];
  }
  template <class At>
  COEFDYN_HD static auto column(const At& at, int c) {
    return at.z[c];
  }
  static_assert(Factors >= 1, "coefdyn: a product of Householders has at least one factor.");
  static_assert(Decay != decaying::channel,
                "coefdyn: a product of Householders decays by one number a head: decaying::none or decaying::scalar.");

  // facts that principles may use
  static constexpr contraction contractive = contraction::depends;  // on beta |z|^2 in [0, 2]
};

}  // namespace coefdyn::evolution
