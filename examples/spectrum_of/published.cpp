// SPDX-License-Identifier: MIT
#include "analysis.hpp"

/// Mixers of published models that have no name of their own.
namespace spectrum_of {
namespace {
using lightning = mixer<readout::linear, evolution::fixed_scalar, scaling::one, normalization::one>;
using rg_lru = mixer<readout::linear, evolution::scalar, scaling::sqrt_one_minus_lambda2, normalization::one>;
using rwkv4 = mixer<readout::linear, evolution::read_before<evolution::fixed_scalar>, scaling::exp_input, normalization::sum>;
using rwkv5 = mixer<readout::linear, evolution::read_before<evolution::fixed_diagonal>, scaling::one, normalization::one>;
}  // namespace
const family published{{entry<lightning>("lightning"), entry<rg_lru>("rg_lru"), entry<rwkv4>("rwkv4"), entry<rwkv5>("rwkv5"),
                        entry<mixers::s6>("s6"), entry<mixers::softmax_rope_interleaved>("softmax_rope_interleaved")}};
}  // namespace spectrum_of
