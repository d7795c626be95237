// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/diagonal_householder.hpp>
#include <coefdyn/evolution/householder.hpp>
#include <coefdyn/mixers/delta_rule.hpp>
#include <coefdyn/normalization/sqrt_dim.hpp>
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

using kimi_z = mixer<r::linear, e::diagonal_householder<e::along::z>, b::one, eta::sqrt_dim>;

const mixer_group group{
    one<mixers::kda>("kda"),
    grouped<mixers::kda>("kda"),
    one<kimi_z>("diagonal Householder, own z"),
};
}  // namespace
