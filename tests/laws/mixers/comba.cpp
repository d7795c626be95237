// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/scalar_plus_rank_one.hpp>
#include <coefdyn/mixers/delta_rule.hpp>
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

using comba_floored = mixer<r::linear, e::scalar_plus_rank_one, b::exp_input, eta::floored_sum>;

const mixer_group group{
    one<mixers::comba>("comba"),
    grouped<mixers::comba>("comba"),
    one<comba_floored>("scalar plus rank one, exponential input, floored sum"),
};
}  // namespace
