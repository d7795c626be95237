// SPDX-License-Identifier: MIT
#pragma once
#include "arrays.hpp"

namespace coefdyn::parameterisation {

/// lambda = exp(-Delta exp(A_log)) with the step size Delta = softplus(x + dt_bias), which is also b (scaling::delta).
///
/// shape   scalar to scalar; dt_bias, A_log one number per head
/// range   any x; log lambda in (-inf, 0]; overflows with exp(A_log) only
/// error   none
/// source  Mamba-2, arXiv:2405.21060; the gates of Gated DeltaNet and KDA have the same form
struct mamba2 {
  using parameters = list<stream::dt_bias, stream::A_log>;
  template <class R>
  COEFDYN_HD static R delta(R x, R dt_bias) {
    return math::softplus(x + dt_bias);
  }
  template <class R>
  COEFDYN_HD static R log_decay(R x, R dt_bias, R A_log) {
    return -delta(x, dt_bias) * math::exp(A_log);
  }
  template <class R>
  COEFDYN_HD static partials<R, 3> pull_back(R d, R x, R dt_bias, R A_log) {
    const R by_x = -d * math::sigmoid(x + dt_bias) * math::exp(A_log);
    return {{by_x, by_x, d * log_decay(x, dt_bias, A_log)}};
  }
  /// d by x and dt_bias of the step size.
  template <class R>
  COEFDYN_HD static partials<R, 2> pull_back_delta(R d, R x, R dt_bias) {
    const R by_x = d * math::sigmoid(x + dt_bias);
    return {{by_x, by_x}};
  }
};

/// The same with a dt_bias for each channel and an A_log for each head.
///
/// source  Kimi Delta Attention, arXiv:2510.26692
struct mamba2_per_head : mamba2 {
  using parameters = list<stream::dt_bias, one_per_head<stream::A_log>>;
};

}  // namespace coefdyn::parameterisation
