// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"

namespace coefdyn::feature {

/// psi(x) = max(x, 0), channel by channel; psi'(0) = 0.
///
/// shape   vector to vector of n
/// range   >= 0
/// error   none: NaN in gives NaN out
/// source  Kasai et al., arXiv:2103.13076
struct relu {
  template <class R>
  COEFDYN_HD static R apply(R x) {
    return math::positive_part(x);
  }

  // facts that kernels may use
  static constexpr bool is_nonnegative = true;
};

}  // namespace coefdyn::feature
