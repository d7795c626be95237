// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/parameterisation/all.hpp>

/// What listings of raw gates take for granted: numbers of a layer and where their gradients go.
namespace coefdyn::listing {
inline view<const float, 3> x;
inline view<const float, 1> dt_bias, A_log;
inline view<float, 3> log_lambda, d_log_lambda, dx;
inline view<float, 1> d_dt_bias;
}  // namespace coefdyn::listing
