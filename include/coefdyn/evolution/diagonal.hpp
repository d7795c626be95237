// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"

namespace coefdyn::evolution {

/// A_t = diag(lambda_t): one decay per token, head and channel.
///
/// streams log_decay [B, T, H, n], natural log, <= 0
/// range   lambda in [0, 1]
/// error   none
/// source  GLA, arXiv:2312.06635; HGRN2, arXiv:2404.07904; RWKV-6, arXiv:2404.05892
struct diagonal {
  using streams = list<per_channel<stream::log_decay>>;
  static constexpr structure_of structure{.decay = decaying::channel};
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at, int c) {
    return at.log_decay[c];
  }

  // facts that principles may use
  static constexpr contraction contractive = contraction::yes;
};

}  // namespace coefdyn::evolution
