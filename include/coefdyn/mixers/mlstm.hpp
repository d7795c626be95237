// SPDX-License-Identifier: MIT
#pragma once
#include "../core/mixer.hpp"
#include "../evolution/identity.hpp"
#include "../evolution/scalar.hpp"
#include "../normalization/floored_sum.hpp"
#include "../readout/linear.hpp"
#include "../scaling/exp_input.hpp"
#include "../scaling/inverse_sqrt_dim.hpp"
#include "../scaling/product.hpp"

/// mLSTM: an exponential input gate under a floored sum, both on a state kept scaled by e^-m.
namespace coefdyn::mixers {

// clang-format off
//                            phi              A_t                  b_j                                                             eta_i

/// Beck et al. (xLSTM), arXiv:2405.04517; forget gates through parameterisation::sigmoid. 1/sqrt(n) stands inside the floor.
using mlstm           = mixer<readout::linear, evolution::scalar,   scaling::product<scaling::exp_input, scaling::inverse_sqrt_dim>, normalization::floored_sum>;
/// Without its forget gate.
using mlstm_no_forget = mixer<readout::linear, evolution::identity, scaling::product<scaling::exp_input, scaling::inverse_sqrt_dim>, normalization::floored_sum>;
// clang-format on

}  // namespace coefdyn::mixers
