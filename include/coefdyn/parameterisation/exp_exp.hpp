// SPDX-License-Identifier: MIT
#pragma once
#include "arrays.hpp"

namespace coefdyn::parameterisation {

/// lambda = exp(-exp(x)), so log lambda = -exp(x).
///
/// shape   scalar to scalar
/// range   log lambda in [-inf, 0]; -inf, which is lambda = 0, from x = 88.8 (float) or 709.8 (double) on
/// error   none
/// source  RWKV-6's w, arXiv:2404.05892; LRU's nu, arXiv:2303.06349
struct exp_exp {
  template <class R>
  COEFDYN_HD static R log_decay(R x) {
    return -math::exp(x);
  }
  template <class R>
  COEFDYN_HD static partials<R, 1> pull_back(R d, R x) {
    return {{math::times_exp(-d, x)}};
  }
};

}  // namespace coefdyn::parameterisation
