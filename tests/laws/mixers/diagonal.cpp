// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/diagonal.hpp>
#include <coefdyn/feature/elu_plus_one.hpp>
#include <coefdyn/mixers/gated_linear.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/exp_input.hpp>
#include <coefdyn/scaling/one.hpp>
#include <coefdyn/scaling/one_minus_lambda.hpp>
#include <coefdyn/scaling/product.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using gla_normalised = mixer<r::linear, e::diagonal, b::one, eta::sum, feature::elu_plus_one>;
using diagonal_floored = mixer<r::linear, e::diagonal, b::product<b::exp_input, b::one_minus_lambda>, eta::floored_sum>;

const mixer_group group{
    one<mixers::hgrn2>("hgrn2"),
    one<gla_normalised>("diagonal, sum"),
    one<diagonal_floored>("diagonal, exponential input, floored sum"),
};
}  // namespace
