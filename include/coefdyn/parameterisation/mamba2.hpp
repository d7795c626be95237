// SPDX-License-Identifier: MIT
#pragma once
#include "arrays.hpp"

namespace coefdyn::parameterisation {

/// lambda = exp(-Delta exp(A_log)) with the step size Delta = softplus(x + dt_bias), which is also b (scaling::delta).
///
/// shape   scalar to scalar; dt_bias, A_log one number per head
/// range   any x; log lambda in [-inf, 0]; no step overflows where log lambda and its derivatives do not
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
    return -times_rate(R(1), delta(x, dt_bias), x + dt_bias, A_log);
  }
  template <class R>
  COEFDYN_HD static partials<R, 3> pull_back(R d, R x, R dt_bias, R A_log) {
    const R u = x + dt_bias, by_x = -times_rate(d, math::sigmoid(u), u, A_log);
    return {{by_x, by_x, -times_rate(d, delta(x, dt_bias), u, A_log)}};
  }
  /// d by x and dt_bias of the step size.
  template <class R>
  COEFDYN_HD static partials<R, 2> pull_back_delta(R d, R x, R dt_bias) {
    const R by_x = d * math::sigmoid(x + dt_bias);
    return {{by_x, by_x}};
  }

 private:
  // d f(u) e^A_log, f softplus or sigmoid: both are e^u where that comes near the end of the range
  template <class R>
  COEFDYN_HD static R times_rate(R d, R f, R u, R A_log) {
    return u < R(-math::deepest_exponent<R>) ? math::times_exp(d, u + A_log) : math::times_exp(d, f, A_log);
  }
};

/// The same with a dt_bias for each channel and an A_log for each head.
///
/// source  Kimi Delta Attention, arXiv:2510.26692
struct mamba2_per_head : mamba2 {
  using parameters = list<stream::dt_bias, one_per_head<stream::A_log>>;
};

}  // namespace coefdyn::parameterisation
