// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/evolution/rotation.hpp>
#include <coefdyn/evolution/rotation_decay.hpp>
#include <coefdyn/mixers/retention.hpp>
#include <coefdyn/normalization/one.hpp>
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

using linear_rope = mixer<r::linear, e::rotation<>, b::one, eta::sqrt_dim>;
using rope_before = mixer<r::linear, e::read_before<e::rotation_decay<>>, b::one, eta::one>;

const mixer_group group{
    one<mixers::retnet_xpos_half>("retnet_xpos_half"),
    one<linear_rope>("linear, rope"),
    one<rope_before>("read before rotation with decay"),
};
}  // namespace
