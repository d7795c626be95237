// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"

namespace coefdyn::evolution {

/// A_t = diag(lambda), lambda = e^(log_decay + i theta) complex; the state is complex, the read Re(q'h) with a plain
/// transpose (no conjugate).
///
/// streams log_decay [B, T, H, n] (log |lambda| <= 0), theta [B, T, H, n] (radians)
/// range   |lambda| in [0, 1]
/// error   none
/// source  Mamba-3 (data-dependent rotation)
struct complex_diagonal {
  using streams = list<per_channel<stream::log_decay>, per_channel<stream::theta>>;
  static constexpr structure_of structure{
      .decay = decaying::channel, .turns = turning::channels, .over = field::complex, .constant = false};
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at, int c) {
    return at.log_decay[c];
  }
  template <class At>
  COEFDYN_HD static auto angle(const At& at, int c) {
    return at.theta[c];
  }

  // facts that principles may use
  static constexpr contraction contractive = contraction::yes;
};

}  // namespace coefdyn::evolution
