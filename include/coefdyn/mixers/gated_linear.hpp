// SPDX-License-Identifier: MIT
#pragma once
#include "../core/mixer.hpp"
#include "../evolution/diagonal.hpp"
#include "../evolution/scalar.hpp"
#include "../normalization/one.hpp"
#include "../normalization/sqrt_dim.hpp"
#include "../readout/linear.hpp"
#include "../scaling/one.hpp"
#include "../scaling/one_minus_lambda.hpp"

/// Gated linear attention: a decay that depends on the token, per head or per channel.
namespace coefdyn::mixers {

// clang-format off
//                       phi              A_t                  b_j                        eta_i

/// Gated linear attention with one gate per head. Yang et al., arXiv:2312.06635, section on simple GLA.
using simple_gla = mixer<readout::linear, evolution::scalar,   scaling::one,              normalization::sqrt_dim>;
/// Yang et al., arXiv:2312.06635; gates through parameterisation::gla.
using gla        = mixer<readout::linear, evolution::diagonal, scaling::one,              normalization::sqrt_dim>;
/// Qin et al., arXiv:2404.07904; k holds ones, gates through parameterisation::hgrn2.
using hgrn2      = mixer<readout::linear, evolution::diagonal, scaling::one_minus_lambda, normalization::one>;
/// Feng et al., arXiv:2410.01201: h = lambda h + (1 - lambda) v; one head per channel, n = d = 1, q and k hold ones. HGRN too.
using min_gru    = mixer<readout::linear, evolution::scalar,   scaling::one_minus_lambda, normalization::one>;
// clang-format on

}  // namespace coefdyn::mixers
