// SPDX-License-Identifier: MIT
#include <coefdyn/mixers/attention.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;

const mixer_group group{
    one<mixers::softmax_rope_half>("softmax_rope_half"),
    one<mixers::softmax_rope_interleaved>("softmax_rope_interleaved"),
    one<mixers::softmax_scalar>("softmax_scalar"),
};
}  // namespace
