// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"
#include "rotation.hpp"

namespace coefdyn::evolution {

/// A = gamma_h R(-theta): a rotation that forgets.
///
/// streams theta [n / 2], radians per token; log_decay [H], natural log, <= 0
/// shape   n even; pairs as in rotation.hpp
/// error   odd n is refused
/// source  xPos, arXiv:2212.10554; RetNet, arXiv:2307.08621
template <pairing Pairs = pairing::interleaved>
struct rotation_decay {
  using streams = list<need<stream::theta, ticks::constant, width::pairs, owner::shared>, fixed_per_head<stream::log_decay>>;
  static constexpr structure_of structure{
      .decay = decaying::scalar, .turns = Pairs == pairing::half ? turning::half_pairs : turning::adjacent_pairs, .constant = true};
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at) {
    return at.log_decay;
  }
  template <class At>
  COEFDYN_HD static auto angle(const At& at, int pair) {
    return -at.theta[pair];
  }

  // facts that kernels and principles may use
  static constexpr basis depends_on = basis::streams;
  static constexpr contraction contractive = contraction::yes;
};

}  // namespace coefdyn::evolution
