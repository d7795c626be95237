// SPDX-License-Identifier: MIT
#pragma once
#include "../core/mixer.hpp"
#include "../evolution/householder.hpp"
#include "../evolution/identity.hpp"
#include "../evolution/rotation.hpp"
#include "../evolution/scalar.hpp"
#include "../normalization/count.hpp"
#include "../normalization/one.hpp"
#include "../normalization/sum.hpp"
#include "../readout/exponential.hpp"
#include "../readout/relu.hpp"
#include "../readout/sigmoid.hpp"
#include "../scaling/inverse_sqrt_dim.hpp"

/// Attention: a nonlinear phi, so the past is a cache of keys and values (Lemma 1).
namespace coefdyn::mixers {

// clang-format off
//                                     phi                   A_t                                                       b_j                        eta_i

/// Vaswani et al., arXiv:1706.03762.
using softmax_attention        = mixer<readout::exponential, evolution::identity,                                      scaling::inverse_sqrt_dim, normalization::sum>;
/// With RoPE, pairs (m, m + n/2) as in NeoX and Llama. Su et al., arXiv:2104.09864.
using softmax_rope_half        = mixer<readout::exponential, evolution::rotation<evolution::pairing::half>,            scaling::inverse_sqrt_dim, normalization::sum>;
/// With RoPE, pairs (2m, 2m + 1) as in GPT-J. Su et al., arXiv:2104.09864.
using softmax_rope_interleaved = mixer<readout::exponential, evolution::rotation<evolution::pairing::interleaved>,     scaling::inverse_sqrt_dim, normalization::sum>;
/// PaTH attention: position through products of Householders along a learned z_t. Yang et al., arXiv:2505.16381.
using path_attention           = mixer<readout::exponential, evolution::householder<evolution::along::z>,              scaling::inverse_sqrt_dim, normalization::sum>;
/// Softmax whose keys decay inside phi, so an old token tends to weight exp(0) = 1; not forgetting attention, which
/// decays the weight. arXiv:2510.09389.
using softmax_scalar           = mixer<readout::exponential, evolution::scalar,                                        scaling::inverse_sqrt_dim, normalization::sum>;
/// Ramapuram et al., arXiv:2409.04431, without their bias inside the sigmoid.
using sigmoid_attention        = mixer<readout::sigmoid,     evolution::identity,                                      scaling::inverse_sqrt_dim, normalization::one>;
/// Without normalization.
using relu_attention           = mixer<readout::relu,        evolution::identity,                                      scaling::inverse_sqrt_dim, normalization::one>;
/// Divided by the number of tokens seen. Wortsman et al., arXiv:2309.08586.
using relu_attention_count     = mixer<readout::relu,        evolution::identity,                                      scaling::inverse_sqrt_dim, normalization::count>;
// clang-format on

}  // namespace coefdyn::mixers
