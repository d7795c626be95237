// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/diagonal.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/mixers/rwkv.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/exp_input.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using before_floored = mixer<r::linear, e::read_before<e::diagonal>, b::exp_input, eta::floored_sum>;

const mixer_group group{
    one<mixers::rwkv6>("rwkv6"),
    grouped<mixers::rwkv6>("rwkv6"),
    one<before_floored>("read before diagonal, exponential input, floored sum"),
};
}  // namespace
