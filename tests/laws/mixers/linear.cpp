// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/feature/elu_plus_one.hpp>
#include <coefdyn/feature/exponential.hpp>
#include <coefdyn/feature/relu.hpp>
#include <coefdyn/feature/softmax.hpp>
#include <coefdyn/mixers/linear_attention.hpp>
#include <coefdyn/mixers/mlstm.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/normalization/gate.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/linear.hpp>
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

using linear_attention_relu = mixer<r::linear, e::identity, b::one, eta::sum, feature::relu>;
using linear_attention_exponential = mixer<r::linear, e::identity, b::one, eta::sum, feature::exponential>;
using efficient_attention = mixer<r::linear, e::identity, b::one, eta::one, feature::softmax>;

const mixer_group group{
    one<mixers::linear_attention>("linear_attention"),
    one<mixers::norm_attention_unscaled>("norm_attention_unscaled"),
    one<mixers::linear_attention_elu1>("linear_attention_elu1"),
    one<linear_attention_relu>("linear attention of relu features"),
    one<linear_attention_exponential>("linear attention of exponential features"),
    one<efficient_attention>("efficient attention"),
    one<mixers::norm_attention_identity>("norm_attention_identity"),
    one<mixers::norm_attention_exp>("norm_attention_exp"),
    one<mixers::norm_attention_softplus>("norm_attention_softplus"),
    one<mixers::norm_attention_elu>("norm_attention_elu"),
    one<mixers::norm_attention_sigmoid>("norm_attention_sigmoid"),
    grouped<mixers::norm_attention_sigmoid>("norm_attention_sigmoid"),
    one<mixers::norm_attention_elu1<eta::psi::softplus>>("norm_attention_elu1_softplus"),
    low_precision<mixers::norm_attention_elu1<eta::psi::softplus>>("norm_attention_elu1_softplus"),
    in_duals<mixers::norm_attention_elu1<eta::psi::softplus>>("norm_attention_elu1_softplus"),
    one<mixers::mlstm_no_forget>("mlstm_no_forget"),
};
}  // namespace
