// SPDX-License-Identifier: MIT
#pragma once
#include "../core/mixer.hpp"
#include "../evolution/identity.hpp"
#include "../feature/elu_plus_one.hpp"
#include "../normalization/gate.hpp"
#include "../normalization/one.hpp"
#include "../normalization/sum.hpp"
#include "../readout/linear.hpp"
#include "../scaling/inverse_sqrt_dim.hpp"
#include "../scaling/one.hpp"

/// Linear attention: phi linear and A = I, so nothing forgets.
namespace coefdyn::mixers {

namespace psi = normalization::psi;

// clang-format off
//                                       phi              A_t                  b_j                        eta_i                             psi

/// Katharopoulos et al., arXiv:2006.16236, without normalization.
using linear_attention           = mixer<readout::linear, evolution::identity, scaling::one,              normalization::one>;
/// Katharopoulos et al., arXiv:2006.16236: psi = elu + 1 on q and k, normalised by the sum; no epsilon.
using linear_attention_elu1      = mixer<readout::linear, evolution::identity, scaling::one,              normalization::sum,               feature::elu_plus_one>;

/// Norm attention: eta_i = exp(psi(w'u_i + offset)), a gate in place of the sum. arXiv:2510.09389.
template <class Psi, normalization::offset Offset = normalization::offset::yes>
using norm_attention             = mixer<readout::linear, evolution::identity, scaling::inverse_sqrt_dim, normalization::gate<Psi, Offset>>;
/// The same with the feature map elu + 1 and no 1/sqrt(n). arXiv:2510.09389.
template <class Psi, normalization::offset Offset = normalization::offset::yes>
using norm_attention_elu1        = mixer<readout::linear, evolution::identity, scaling::one,              normalization::gate<Psi, Offset>, feature::elu_plus_one>;
/// The earlier form eta_i = exp(w'u_i), unscaled. Dynamical systems framework, arXiv:2405.15731.
using norm_attention_unscaled    = mixer<readout::linear, evolution::identity, scaling::one,              normalization::gate<psi::identity>>;

/// psi(x) = x.
using norm_attention_identity    = norm_attention<psi::identity>;
/// psi(x) = e^x.
using norm_attention_exp         = norm_attention<psi::exponential>;
/// psi(x) = log(1 + e^x).
using norm_attention_softplus    = norm_attention<psi::softplus>;
/// psi(x) = x above 0, e^x - 1 below.
using norm_attention_elu         = norm_attention<psi::elu>;
/// psi(x) = 1 / (1 + e^-x).
using norm_attention_sigmoid     = norm_attention<psi::sigmoid>;
// clang-format on

}  // namespace coefdyn::mixers
