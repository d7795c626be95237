// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/diagonal_householder.hpp>
#include <coefdyn/evolution/gated_householder.hpp>
#include <coefdyn/evolution/householder.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/feature/l2.hpp>
#include <coefdyn/feature/softmax.hpp>
#include <coefdyn/mixers/attention.hpp>
#include <coefdyn/mixers/delta_rule.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/normalization/sqrt_dim.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/exponential.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/readout/sigmoid.hpp>
#include <coefdyn/scaling/beta.hpp>
#include <coefdyn/scaling/exp_input.hpp>
#include <coefdyn/scaling/inverse_sqrt_dim.hpp>
#include <coefdyn/scaling/one.hpp>
#include <coefdyn/scaling/product.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using deltanet_fixed = mixer<r::linear, e::householder<e::along::key, e::strength::fixed>, b::one, eta::one, feature::l2>;
using gated_z_fixed =
    mixer<r::linear, e::gated_householder<e::along::z, e::strength::fixed>, b::product<b::beta, b::inverse_sqrt_dim>, eta::one>;
using before_floored = mixer<r::linear, e::read_before<e::gated_householder<>>, b::exp_input, eta::floored_sum>;
using kimi_z = mixer<r::linear, e::diagonal_householder<e::along::z>, b::one, eta::sqrt_dim>;
using kimi_exponential = mixer<r::exponential, e::diagonal_householder<>, b::product<b::beta, b::inverse_sqrt_dim>, eta::sum, feature::l2>;
using sigmoid_gated = mixer<r::sigmoid, e::gated_householder<>, b::beta, eta::sum, feature::softmax>;

const mixer_group ungated{
    one<mixers::deltanet>("deltanet"),
    one<mixers::deltanet_z>("deltanet_z"),
    one<deltanet_fixed>("DeltaNet, fixed strength, l2 features"),
    one<mixers::path_attention>("path_attention"),
    in_duals<mixers::path_attention>("path_attention"),
};
const mixer_group gated{
    one<mixers::gated_deltanet>("gated_deltanet"),
    grouped<mixers::gated_deltanet>("gated_deltanet"),
    low_precision<mixers::gated_deltanet>("gated_deltanet"),
    in_duals<mixers::gated_deltanet>("gated_deltanet"),
    one<gated_z_fixed>("gated Householder, own z, fixed strength, beta"),
    one<before_floored>("read before gated Householder, exponential input, floored sum"),
};
const mixer_group diagonal{
    one<mixers::kda>("kda"),
    grouped<mixers::kda>("kda"),
    one<kimi_z>("diagonal Householder, own z"),
    one<kimi_exponential>("exponential, diagonal Householder, l2 features, sum"),
    one<sigmoid_gated>("sigmoid, gated Householder, softmax features, sum"),
};
}  // namespace
