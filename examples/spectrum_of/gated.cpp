// SPDX-License-Identifier: MIT
#include "analysis.hpp"

namespace spectrum_of {
const family gated{{entry<mixers::mamba2>("mamba2"), entry<mixers::simple_gla>("simple_gla"), entry<mixers::gla>("gla"),
                    entry<mixers::mlstm>("mlstm"), entry<mixers::rwkv6>("rwkv6"), entry<mixers::lru, field::complex>("lru"),
                    entry<mixers::s4, field::complex>("s4"), entry<mixers::s4d, field::complex>("s4d")}};
}
