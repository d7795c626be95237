// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/diagonal_plus_rank_one.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/exp_input.hpp>
#include <coefdyn/scaling/one.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using rwkv7_floored = mixer<r::linear, e::diagonal_plus_rank_one, b::exp_input, eta::floored_sum>;
using rwkv7_before = mixer<r::linear, e::read_before<e::diagonal_plus_rank_one>, b::one, eta::one>;

const mixer_group group{
    one<rwkv7_floored>("diagonal plus rank one, exponential input, floored sum"),
    one<rwkv7_before>("read before diagonal plus rank one"),
};
}  // namespace
