// SPDX-License-Identifier: MIT
#pragma once
#include "arrays.hpp"

namespace coefdyn::parameterisation {

/// lambda = sigmoid(x)^(1 / tau), so log lambda = -softplus(-x) / tau.
///
/// shape   scalar to scalar; tau is one number, 16 as published
/// range   any x; log lambda in (-inf, 0], exact for large |x|
/// error   none
/// source  GLA, arXiv:2312.06635
struct gla {
  template <class R>
  COEFDYN_HD static R log_decay(R x, R tau = R(16)) {
    return -math::softplus(-x) / tau;
  }
  /// d by x; by tau as well where it is given.
  template <class R>
  COEFDYN_HD static partials<R, 1> pull_back(R d, R x) {
    return {{d * math::sigmoid(-x) / R(16)}};
  }
  template <class R>
  COEFDYN_HD static partials<R, 2> pull_back(R d, R x, R tau) {
    return {{d * math::sigmoid(-x) / tau, d * math::softplus(-x) / tau / tau}};
  }
};

}  // namespace coefdyn::parameterisation
