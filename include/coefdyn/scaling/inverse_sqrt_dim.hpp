// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"
#include "../core/principle.hpp"

namespace coefdyn::scaling {

/// b_j = 1 / sqrt(n): keeps the variance of q'h at O(1); the state carries it.
///
/// streams none
/// range   n >= 1
/// error   none
/// source  Vaswani et al., arXiv:1706.03762
struct inverse_sqrt_dim {
  template <class At>
  COEFDYN_HD static typename At::real scale(const At& at) {
    using R = typename At::real;
    return R(1) / math::sqrt(R(at.n > 0 ? at.n : 1));  // no channels: nothing to scale
  }

  // facts that kernels and principles may use
  static constexpr basis depends_on = basis::sizes;
  static constexpr variance_factor variance = variance_factor::sqrt_dim;
};

}  // namespace coefdyn::scaling
