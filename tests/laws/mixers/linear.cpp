// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/feature/softmax.hpp>
#include <coefdyn/mixers/linear_attention.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using efficient_attention = mixer<r::linear, e::identity, b::one, eta::one, feature::softmax>;

const mixer_group group{
    one<mixers::linear_attention>("linear_attention"),
    one<mixers::norm_attention_unscaled>("norm_attention_unscaled"),
    one<efficient_attention>("efficient attention"),
};
}  // namespace
