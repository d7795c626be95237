// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/diagonal.hpp>
#include <coefdyn/evolution/fixed_diagonal.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/feature/elu_plus_one.hpp>
#include <coefdyn/mixers/gated_linear.hpp>
#include <coefdyn/mixers/rwkv.hpp>
#include <coefdyn/mixers/state_space.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/normalization/sqrt_dim.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/readout/relu_squared.hpp>
#include <coefdyn/readout/sigmoid.hpp>
#include <coefdyn/scaling/delta.hpp>
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
using before_floored = mixer<r::linear, e::read_before<e::diagonal>, b::exp_input, eta::floored_sum>;
using sigmoid_before = mixer<r::sigmoid, e::read_before<e::diagonal>, b::one, eta::sum>;
using relu_diagonal = mixer<r::relu_squared, e::diagonal, b::one_minus_lambda, eta::sqrt_dim>;

const mixer_group group{
    one<mixers::gla>("gla"),     low_precision<mixers::gla>("gla"), in_duals<mixers::gla>("gla"),
    one<mixers::hgrn2>("hgrn2"), one<mixers::rwkv6>("rwkv6"),       grouped<mixers::rwkv6>("rwkv6"),
    one<mixers::s6>("s6"),       one<mixers::s4d_real>("s4d_real"), one<mixers::mamba2_pseudo_lti>("mamba2_pseudo_lti"),
};
const mixer_group unnamed{
    one<gla_normalised>("diagonal, sum"),
    one<diagonal_floored>("diagonal, exponential input, floored sum"),
    one<before_floored>("read before diagonal, exponential input, floored sum"),
    one<sigmoid_before>("sigmoid, read before diagonal, sum"),
    in_duals<sigmoid_before>("sigmoid, read before diagonal, sum"),
    one<relu_diagonal>("relu squared, diagonal"),
};
}  // namespace
