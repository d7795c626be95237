// SPDX-License-Identifier: MIT
// A mixer of each kind of structure, for the laws under -ffast-math.
#include <coefdyn/mixers/all.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;

const mixer_group attention{
    one<mixers::softmax_attention>("softmax_attention"),
    one<mixers::softmax_rope_half>("softmax_rope_half"),
};
const mixer_group linear{
    one<mixers::simple_gla>("simple_gla"),   one<mixers::mlstm>("mlstm"), one<mixers::rwkv6>("rwkv6"), one<mixers::kda>("kda"),
    one<mixers::lru, field::complex>("lru"),
};
}  // namespace
