// SPDX-License-Identifier: MIT
#pragma once
#include "arrays.hpp"

namespace coefdyn::parameterisation {

/// lambda = exp(-exp(-1/2) sigmoid(x)).
///
/// shape   scalar to scalar
/// range   log lambda in (-0.60653066, 0), so lambda > 0.545
/// error   none
/// source  RWKV-7, arXiv:2503.14456
struct rwkv7 {
  static constexpr double inverse_sqrt_e = 0.60653065971263342360;
  template <class R>
  COEFDYN_HD static R log_decay(R x) {
    return R(-inverse_sqrt_e) * math::sigmoid(x);
  }
  template <class R>
  COEFDYN_HD static partials<R, 1> pull_back(R d, R x) {
    return {{d * R(-inverse_sqrt_e) * math::sigmoid(x) * math::sigmoid(-x)}};
  }
};

}  // namespace coefdyn::parameterisation
