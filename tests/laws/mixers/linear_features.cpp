// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/feature/exponential.hpp>
#include <coefdyn/feature/relu.hpp>
#include <coefdyn/mixers/linear_attention.hpp>
#include <coefdyn/normalization/sum.hpp>
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

using linear_attention_relu = mixer<r::linear, e::identity, b::one, eta::sum, feature::relu>;
using linear_attention_exponential = mixer<r::linear, e::identity, b::one, eta::sum, feature::exponential>;

const mixer_group group{
    one<mixers::linear_attention_elu1>("linear_attention_elu1"),
    one<linear_attention_relu>("linear attention of relu features"),
    one<linear_attention_exponential>("linear attention of exponential features"),
};
}  // namespace
