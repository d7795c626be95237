// SPDX-License-Identifier: MIT
#pragma once
#include "arrays.hpp"

namespace coefdyn::parameterisation {

/// lambda = lower + (1 - lower) sigmoid(x): a sigmoid gate that never forgets below `lower`.
///
/// shape   scalar to scalar; lower one number per channel
/// range   any x, lower in [0, 1); log lambda in [log lower, 0], also where sigmoid(x) underflows or rounds to 1. The
///         derivative by lower grows as 1 / lambda
/// error   none
/// source  HGRN2, arXiv:2404.07904
struct hgrn2 {
  using parameters = list<stream::lower_bound>;
  template <class R>
  COEFDYN_HD static R log_decay(R x, R lower) {
    const R lost = (R(1) - lower) * math::sigmoid(-x);  // 1 - lambda
    if (lost < R(0.5)) return math::log1p(-lost);
    const R e = math::exp(x);  // lambda = (lower + e) / (1 + e)
    if (lower < e) return x + math::log1p(lower / e) - math::log1p(e);
    if (lower > R(0)) return math::log(lower) + math::log1p(e / lower) - math::log1p(e);
    return math::log1p(math::times_exp(lower, -x)) - math::softplus(-x);  // lower = 0, or too small to count beside it; NaN stays
  }
  template <class R>
  COEFDYN_HD static partials<R, 2> pull_back(R d, R x, R lower) {
    const R log_lambda = log_decay(x, lower), not_open = math::sigmoid(-x);
    // sigmoid(x) <= lambda, so the exponent is not above zero
    return {{d * (R(1) - lower) * not_open * math::exp(math::min(R(0), -math::softplus(-x) - log_lambda)),
             math::times_exp(d, not_open, -log_lambda)}};
  }
};

}  // namespace coefdyn::parameterisation
