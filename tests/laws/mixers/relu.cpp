// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/mixers/attention.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/relu.hpp>
#include <coefdyn/readout/relu_squared.hpp>
#include <coefdyn/scaling/inverse_sqrt_dim.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using relu_normalised = mixer<r::relu, e::identity, b::inverse_sqrt_dim, eta::sum>;
using relu_squared = mixer<r::relu_squared, e::scalar, b::inverse_sqrt_dim, eta::sum>;

const mixer_group group{
    one<mixers::relu_attention>("relu_attention"),
    one<mixers::relu_attention_count>("relu_attention_count"),
    one<relu_normalised>("relu, sum"),
    one<relu_squared>("relu squared, scalar, sum"),
};
}  // namespace
