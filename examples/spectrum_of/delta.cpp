// SPDX-License-Identifier: MIT
#include "analysis.hpp"

namespace spectrum_of {
const family delta{{entry<mixers::deltanet>("deltanet"), entry<mixers::gated_deltanet>("gated_deltanet"), entry<mixers::kda>("kda"),
                    entry<mixers::gated_deltaproduct_2>("gated_deltaproduct_2"), entry<mixers::rwkv7>("rwkv7"),
                    entry<mixers::comba>("comba")}};
}
