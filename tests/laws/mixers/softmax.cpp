// SPDX-License-Identifier: MIT
#include <coefdyn/mixers/attention.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;

const mixer_group group{
    one<mixers::softmax_attention>("softmax_attention"),
    grouped<mixers::softmax_attention>("softmax_attention"),
    low_precision<mixers::softmax_attention>("softmax_attention"),
    in_duals<mixers::softmax_attention>("softmax_attention"),
};
}  // namespace
