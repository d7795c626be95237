// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/evolution/rotation.hpp>
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/feature/l2.hpp>
#include <coefdyn/feature/softmax.hpp>
#include <coefdyn/mixers/attention.hpp>
#include <coefdyn/normalization/count.hpp>
#include <coefdyn/normalization/gate.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/normalization/sqrt_dim.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/elu_plus_one.hpp>
#include <coefdyn/readout/exponential.hpp>
#include <coefdyn/readout/relu.hpp>
#include <coefdyn/readout/relu_squared.hpp>
#include <coefdyn/readout/sigmoid.hpp>
#include <coefdyn/readout/silu.hpp>
#include <coefdyn/readout/softplus.hpp>
#include <coefdyn/readout/tanh.hpp>
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

using exponential_gated = mixer<r::exponential, e::identity, b::inverse_sqrt_dim, eta::gate<eta::psi::softplus, eta::offset::yes>>;
using softmax_of_units = mixer<r::exponential, e::identity, b::one, eta::sum, feature::l2>;
using relu_normalised = mixer<r::relu, e::identity, b::inverse_sqrt_dim, eta::sum>;
using relu_squared = mixer<r::relu_squared, e::scalar, b::inverse_sqrt_dim, eta::sum>;
using tanh_rope = mixer<r::tanh, e::rotation<>, b::inverse_sqrt_dim, eta::sqrt_dim>;
using silu_count = mixer<r::silu, e::identity, b::inverse_sqrt_dim, eta::count>;
using softplus_sum = mixer<r::softplus, e::rotation<>, b::inverse_sqrt_dim, eta::sum>;
using elu_sum = mixer<r::elu_plus_one, e::identity, b::inverse_sqrt_dim, eta::sum, feature::softmax>;

const mixer_group group{
    one<mixers::softmax_attention>("softmax_attention"),
    grouped<mixers::softmax_attention>("softmax_attention"),
    low_precision<mixers::softmax_attention>("softmax_attention"),
    in_duals<mixers::softmax_attention>("softmax_attention"),
    one<mixers::softmax_rope_half>("softmax_rope_half"),
    one<mixers::softmax_rope_interleaved>("softmax_rope_interleaved"),
    one<mixers::softmax_scalar>("softmax_scalar"),
    one<exponential_gated>("exponential, gate softplus with offset"),
    one<softmax_of_units>("softmax of l2 features"),
};
const mixer_group others{
    one<mixers::relu_attention>("relu_attention"),
    one<mixers::relu_attention_count>("relu_attention_count"),
    one<relu_normalised>("relu, sum"),
    one<relu_squared>("relu squared, scalar, sum"),
    one<mixers::sigmoid_attention>("sigmoid_attention"),
    one<tanh_rope>("tanh, rope"),
    one<silu_count>("silu, count"),
    one<softplus_sum>("softplus, rope, sum"),
    in_duals<softplus_sum>("softplus, rope, sum"),
    one<elu_sum>("elu+1 of softmax features, sum"),
};
}  // namespace
