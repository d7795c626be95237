// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/fixed_scalar.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/evolution/rotation.hpp>
#include <coefdyn/evolution/rotation_decay.hpp>
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/feature/elu_plus_one.hpp>
#include <coefdyn/mixers/gated_linear.hpp>
#include <coefdyn/mixers/mlstm.hpp>
#include <coefdyn/mixers/retention.hpp>
#include <coefdyn/mixers/state_space.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/normalization/sqrt_dim.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/delta.hpp>
#include <coefdyn/scaling/exp_input.hpp>
#include <coefdyn/scaling/inverse_sqrt_dim.hpp>
#include <coefdyn/scaling/one.hpp>
#include <coefdyn/scaling/one_minus_lambda.hpp>
#include <coefdyn/scaling/product.hpp>
#include <coefdyn/scaling/sqrt_one_minus_lambda2.hpp>

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
using gated_rfa = mixer<r::linear, e::scalar, b::one_minus_lambda, eta::sum, feature::elu_plus_one>;
using exponential_input_sum =
    mixer<r::linear, e::scalar, b::product<b::exp_input, b::sqrt_one_minus_lambda2>, eta::sum, feature::elu_plus_one>;

const mixer_group group{
    one<mixers::retnet>("retnet"),
    one<mixers::retnet_xpos>("retnet_xpos"),
    one<mixers::retnet_xpos_half>("retnet_xpos_half"),
    one<linear_rope>("linear, rope"),
    one<mixers::simple_gla>("simple_gla"),
    one<mixers::mamba2>("mamba2"),
    grouped<mixers::mamba2>("mamba2"),
    low_precision<mixers::mamba2>("mamba2"),
    in_duals<mixers::retnet_xpos>("retnet_xpos"),
    one<mixers::mamba2_pseudo_lti_published>("mamba2_pseudo_lti_published"),
    one<mixers::min_gru>("min_gru"),
    one<gated_rfa>("gated RFA"),
    one<rope_before>("read before rotation with decay"),
};
const mixer_group exponential_inputs{
    one<mixers::mlstm>("mlstm"),
    grouped<mixers::mlstm>("mlstm"),
    low_precision<mixers::mlstm>("mlstm"),
    in_duals<mixers::mlstm>("mlstm"),
    one<exponential_input_sum>("exponential input gate, sum"),
};
}  // namespace
