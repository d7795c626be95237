// SPDX-License-Identifier: MIT
#pragma once
#include "../core/mixer.hpp"
#include "../evolution/complex_diagonal.hpp"
#include "../evolution/dense.hpp"
#include "../evolution/diagonal.hpp"
#include "../evolution/fixed_complex_diagonal.hpp"
#include "../evolution/fixed_diagonal.hpp"
#include "../evolution/fixed_scalar.hpp"
#include "../evolution/scalar.hpp"
#include "../normalization/one.hpp"
#include "../readout/linear.hpp"
#include "../scaling/delta.hpp"
#include "../scaling/one.hpp"
#include "../scaling/sqrt_one_minus_lambda2.hpp"

/// State space models: q = C, k = B, v = the input. D u, convolutions and output gates are the layer's.
namespace coefdyn::mixers {

// clang-format off
//                                        phi              A_t                                          b_j                               eta_i

/// Dao and Gu, arXiv:2405.21060 (SSD); gates through parameterisation::mamba2; published with heads::grouped_values.
using mamba2                      = mixer<readout::linear, evolution::scalar,                           scaling::delta,                   normalization::one>;
/// Mamba-2 held time-invariant: a fixed diagonal, Delta_j still in b. arXiv:2510.09389.
using mamba2_pseudo_lti           = mixer<readout::linear, evolution::fixed_diagonal,                   scaling::delta,                   normalization::one>;
/// The same as its published code has it: one fixed scalar per head.
using mamba2_pseudo_lti_published = mixer<readout::linear, evolution::fixed_scalar,                     scaling::delta,                   normalization::one>;
/// Mamba-1: one head per channel, d = 1. Gu and Dao, arXiv:2312.00752.
using s6                          = mixer<readout::linear, evolution::diagonal,                         scaling::delta,                   normalization::one>;
/// Mamba-1 over the complex numbers: q holds 2 C, since half of each conjugate pair is stored.
using s6_complex                  = mixer<readout::linear, evolution::complex_diagonal,                 scaling::delta,                   normalization::one>;
/// Orvieto et al., arXiv:2303.06349: one key head with v = 1, one query head per output; gates through parameterisation::exp_exp.
using lru                         = mixer<readout::linear, evolution::fixed_complex_diagonal,           scaling::sqrt_one_minus_lambda2,  normalization::one>;
/// Gu et al., arXiv:2206.11893: one head per channel, d = 1, k = the discretised B, q = 2 C.
using s4d                         = mixer<readout::linear, evolution::fixed_complex_diagonal,           scaling::one,                     normalization::one>;
/// S4D without the imaginary parts. Gu et al., arXiv:2206.11893.
using s4d_real                    = mixer<readout::linear, evolution::fixed_diagonal,                   scaling::one,                     normalization::one>;
/// Gu et al., arXiv:2111.00396: A = the discretised DPLR matrix, constant; one head per channel, d = 1.
using s4                          = mixer<readout::linear, evolution::dense<field::complex>,            scaling::one,                     normalization::one>;
/// Smith et al., arXiv:2208.04933: MIMO as LRU; the discretised B is folded into k, the factor 2 into q.
using s5                          = mixer<readout::linear, evolution::fixed_complex_diagonal,           scaling::one,                     normalization::one>;
// clang-format on

}  // namespace coefdyn::mixers
