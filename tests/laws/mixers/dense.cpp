// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/dense.hpp>
#include <coefdyn/mixers/state_space.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/readout/softplus.hpp>
#include <coefdyn/scaling/exp_input.hpp>
#include <coefdyn/scaling/inverse_sqrt_dim.hpp>
#include <coefdyn/scaling/one.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using lti = mixer<r::linear, e::dense<>, b::one, eta::one>;
using dense_floored = mixer<r::linear, e::dense<>, b::exp_input, eta::floored_sum>;
using dense_softplus = mixer<r::softplus, e::dense<>, b::inverse_sqrt_dim, eta::sum>;

const mixer_group group{
    one<lti>("dense LTI"),
    in_duals<lti>("dense LTI"),
    grouped<lti>("dense LTI"),
    one<mixers::s4, field::complex>("s4"),
    one<dense_floored>("dense, exponential input, floored sum"),
    one<dense_softplus>("softplus, dense, sum"),
};
}  // namespace
