// SPDX-License-Identifier: MIT
#pragma once
#include "arrays.hpp"

namespace coefdyn::parameterisation {

/// lambda = sigmoid(x), so log lambda = -softplus(-x).
///
/// shape   scalar to scalar
/// range   any x; log lambda in (-inf, 0], exact for large |x|
/// error   none
/// source  mLSTM's forget gate, arXiv:2405.04517
struct sigmoid {
  template <class R>
  COEFDYN_HD static R log_decay(R x) {
    return -math::softplus(-x);
  }
  template <class R>
  COEFDYN_HD static partials<R, 1> pull_back(R d, R x) {
    return {{d * math::sigmoid(-x)}};
  }
};

}  // namespace coefdyn::parameterisation
