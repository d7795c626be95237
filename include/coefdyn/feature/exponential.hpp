// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"

namespace coefdyn::feature {

/// psi(x) = e^x, channel by channel.
///
/// shape   vector to vector of n
/// range   > 0; overflows where e^x does (x > 88 in float); products of q and k that leave the range at the other end, as elu_plus_one's
/// error   none
/// source  Zhang et al. (Hedgehog), arXiv:2402.04347
struct exponential {
  template <class R>
  COEFDYN_HD static R apply(R x) {
    return math::exp(x);
  }

  // facts that kernels may use
  static constexpr bool is_nonnegative = true;
};

}  // namespace coefdyn::feature
