// SPDX-License-Identifier: MIT
#pragma once
#include "../core/mixer.hpp"
#include "../evolution/diagonal.hpp"
#include "../evolution/diagonal_plus_rank_one.hpp"
#include "../evolution/read_before.hpp"
#include "../normalization/one.hpp"
#include "../readout/linear.hpp"
#include "../scaling/one.hpp"

/// RWKV: q = receptance.
namespace coefdyn::mixers {

// clang-format off
//                  phi              A_t                                           b_j           eta_i

/// Peng et al., arXiv:2404.05892: reads before it writes, the diagonal is q' diag(u) k; gates through parameterisation::exp_exp.
using rwkv6 = mixer<readout::linear, evolution::read_before<evolution::diagonal>,  scaling::one, normalization::one>;
/// Peng et al., arXiv:2503.14456: a = kappa * iclr and c = -kappa of the removal key; gates through parameterisation::rwkv7.
using rwkv7 = mixer<readout::linear, evolution::diagonal_plus_rank_one,            scaling::one, normalization::one>;
// clang-format on

}  // namespace coefdyn::mixers
