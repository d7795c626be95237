// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/feature/elu_plus_one.hpp>
#include <coefdyn/mixers/gated_linear.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one_minus_lambda.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using gated_rfa = mixer<r::linear, e::scalar, b::one_minus_lambda, eta::sum, feature::elu_plus_one>;

const mixer_group group{
    one<mixers::simple_gla>("simple_gla"),
    one<mixers::min_gru>("min_gru"),
    one<gated_rfa>("gated RFA"),
};
}  // namespace
