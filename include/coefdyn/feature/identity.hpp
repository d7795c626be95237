// SPDX-License-Identifier: MIT
#pragma once
#include "../core/config.hpp"

namespace coefdyn::feature {

/// psi(x) = x: q and k enter the dynamics as given (real or complex).
///
/// shape   vector to vector of n, channel by channel
/// range   any
/// error   none
/// source  arXiv:2510.09389, the case without a feature map
struct identity {
  template <class R>
  COEFDYN_HD static R apply(R x) {
    return x;
  }

  // facts that kernels may use
  static constexpr bool is_identity = true;  // kernels skip it
  static constexpr bool is_nonnegative = false;
};

}  // namespace coefdyn::feature
