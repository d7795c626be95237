// SPDX-License-Identifier: MIT
#include "analysis.hpp"

namespace spectrum_of {
const family attention{{entry<mixers::softmax_attention>("softmax_attention"), entry<mixers::softmax_rope_half>("softmax_rope_half"),
                        entry<mixers::linear_attention>("linear_attention"), entry<mixers::linear_attention_elu1>("linear_attention_elu1"),
                        entry<mixers::norm_attention_exp>("norm_attention_exp"),
                        entry<mixers::norm_attention_softplus>("norm_attention_softplus")}};
}
