// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"

namespace coefdyn::evolution {

/// A_t = diag(lambda): one decay per head and channel.
///
/// streams log_decay [H, n], natural log, <= 0
/// range   lambda in [0, 1]
/// error   none
/// source  S4D-real, arXiv:2206.11893
struct fixed_diagonal {
  using streams = list<fixed_per_channel<stream::log_decay>>;
  static constexpr structure_of structure{.decay = decaying::channel, .constant = true};
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at, int c) {
    return at.log_decay[c];
  }

  // facts that principles may use
  static constexpr contraction contractive = contraction::yes;
};

}  // namespace coefdyn::evolution
