// SPDX-License-Identifier: MIT
#include <coefdyn/mixers/linear_attention.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;

const mixer_group group{
    one<mixers::norm_attention_identity>("norm_attention_identity"),
    one<mixers::norm_attention_exp>("norm_attention_exp"),
    one<mixers::norm_attention_softplus>("norm_attention_softplus"),
};
}  // namespace
