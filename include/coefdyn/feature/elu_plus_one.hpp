// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"

namespace coefdyn::feature {

/// psi(x) = elu(x) + 1, channel by channel.
///
/// shape   vector to vector of n
/// range   > 0. Under a sum in float, channels of q and k that lie below -87 together (-60 each, say) make products that leave the range:
///         a row all of whose weights do counts as one of zeros, where its true value is a mean; in double from -708 on
/// error   none
/// source  Katharopoulos et al., arXiv:2006.16236
struct elu_plus_one {
  template <class R>
  COEFDYN_HD static R apply(R x) {
    return math::select(x > R(0), x + R(1), math::exp(math::select(x > R(0), R(0), x)));
  }

  // facts that kernels may use
  static constexpr bool is_nonnegative = true;
};

}  // namespace coefdyn::feature
