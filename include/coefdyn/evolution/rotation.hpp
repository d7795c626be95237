// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"

namespace coefdyn::evolution {

/// Which channels turn together: (m, m + n/2), or (2m, 2m + 1).
enum class pairing { half, interleaved };

/// A = R(-theta) on pairs of channels: RoPE as an evolution. Turning q_i and k_j by +theta times their position gives
/// q_i' R(-theta)^(i-j) k_j, so A turns clockwise.
///
/// streams theta [n / 2], radians per token
/// shape   n even; pairs (m, m + n/2) with pairing::half, (2m, 2m + 1) with pairing::interleaved
/// error   odd n is refused
/// source  Su et al. (RoFormer), arXiv:2104.09864
template <pairing Pairs = pairing::half>
struct rotation {
  using streams = list<need<stream::theta, ticks::constant, width::pairs, owner::shared>>;
  static constexpr structure_of structure{.turns = Pairs == pairing::half ? turning::half_pairs : turning::adjacent_pairs,
                                          .constant = true};
  template <class At>
  COEFDYN_HD static auto angle(const At& at, int pair) {
    return -at.theta[pair];
  }

  // facts that kernels and principles may use
  static constexpr basis depends_on = basis::streams;
  static constexpr contraction contractive = contraction::yes;
};

}  // namespace coefdyn::evolution
