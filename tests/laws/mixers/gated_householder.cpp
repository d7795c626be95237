// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/gated_householder.hpp>
#include <coefdyn/evolution/householder.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/beta.hpp>
#include <coefdyn/scaling/exp_input.hpp>
#include <coefdyn/scaling/inverse_sqrt_dim.hpp>
#include <coefdyn/scaling/product.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using gated_z_fixed =
    mixer<r::linear, e::gated_householder<e::along::z, e::strength::fixed>, b::product<b::beta, b::inverse_sqrt_dim>, eta::one>;
using before_floored = mixer<r::linear, e::read_before<e::gated_householder<>>, b::exp_input, eta::floored_sum>;

const mixer_group group{
    one<gated_z_fixed>("gated Householder, own z, fixed strength, beta"),
    one<before_floored>("read before gated Householder, exponential input, floored sum"),
};
}  // namespace
