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
  static constexpr bool is_nonnegative = false;
  template <class R>
  COEFDYN_HD static R apply(R x) {
    return x;
  }
};

}  // namespace coefdyn::feature
