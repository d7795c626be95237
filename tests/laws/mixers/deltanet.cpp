// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/householder.hpp>
#include <coefdyn/feature/l2.hpp>
#include <coefdyn/mixers/delta_rule.hpp>
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

using deltanet_fixed = mixer<r::linear, e::householder<e::along::key, e::strength::fixed>, b::one, eta::one, feature::l2>;

const mixer_group group{
    one<mixers::deltanet>("deltanet"),
    one<mixers::deltanet_z>("deltanet_z"),
    one<deltanet_fixed>("DeltaNet, fixed strength, l2 features"),
};
}  // namespace
