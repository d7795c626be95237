// SPDX-License-Identifier: MIT
#include <coefdyn/mixers/linear_attention.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;

const mixer_group group{
    one<mixers::norm_attention_sigmoid>("norm_attention_sigmoid"),
    grouped<mixers::norm_attention_sigmoid>("norm_attention_sigmoid"),
};
}  // namespace
