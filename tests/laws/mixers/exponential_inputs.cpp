// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/feature/elu_plus_one.hpp>
#include <coefdyn/mixers/mlstm.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/exp_input.hpp>
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

using exponential_input_sum =
    mixer<r::linear, e::scalar, b::product<b::exp_input, b::sqrt_one_minus_lambda2>, eta::sum, feature::elu_plus_one>;

const mixer_group group{
    one<mixers::mlstm_no_forget>("mlstm_no_forget"),
    one<exponential_input_sum>("exponential input gate, sum"),
};
}  // namespace
