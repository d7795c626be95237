// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"

namespace coefdyn::feature {

/// psi(x) = elu(x) + 1, channel by channel.
///
/// shape   vector to vector of n
/// range   > 0
/// error   none
/// source  Katharopoulos et al., arXiv:2006.16236
struct elu_plus_one {
  static constexpr bool is_nonnegative = true;
  template <class R>
  COEFDYN_HD static R apply(R x) {
    return math::select(x > R(0), x + R(1), math::exp(math::select(x > R(0), R(0), x)));
  }
};

}  // namespace coefdyn::feature
