// SPDX-License-Identifier: MIT
#pragma once
#include "../core/mixer.hpp"
#include "../evolution/fixed_scalar.hpp"
#include "../evolution/rotation_decay.hpp"
#include "../normalization/one.hpp"
#include "../normalization/sqrt_dim.hpp"
#include "../readout/linear.hpp"
#include "../scaling/one.hpp"

/// Retention: one decay per head that does not depend on the token.
namespace coefdyn::mixers {

// clang-format off
//                                phi              A_t                                                          b_j           eta_i

/// Sun et al., arXiv:2307.08621: log_decay_h = log(1 - 2^(-5-h)).
using retnet              = mixer<readout::linear, evolution::fixed_scalar,                                     scaling::one, normalization::sqrt_dim>;
/// With xPos' rotation, pairs (2m, 2m + 1). Sun et al., arXiv:2212.10554 and arXiv:2307.08621.
using retnet_xpos         = mixer<readout::linear, evolution::rotation_decay<evolution::pairing::interleaved>,  scaling::one, normalization::sqrt_dim>;
/// The same with pairs (m, m + n/2), as in flash-linear-attention's layer.
using retnet_xpos_half    = mixer<readout::linear, evolution::rotation_decay<evolution::pairing::half>,         scaling::one, normalization::sqrt_dim>;
/// Qin et al., arXiv:2401.04658: the type is RetNet's; log_decay_h = -(8 / H) (1 - layer / layers) h, so head 0 keeps all.
using lightning_attention = mixer<readout::linear, evolution::fixed_scalar,                                     scaling::one, normalization::sqrt_dim>;
// clang-format on

}  // namespace coefdyn::mixers
