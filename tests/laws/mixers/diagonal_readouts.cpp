// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/diagonal.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/normalization/sqrt_dim.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/relu_squared.hpp>
#include <coefdyn/readout/sigmoid.hpp>
#include <coefdyn/scaling/one.hpp>
#include <coefdyn/scaling/one_minus_lambda.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using sigmoid_before = mixer<r::sigmoid, e::read_before<e::diagonal>, b::one, eta::sum>;
using relu_diagonal = mixer<r::relu_squared, e::diagonal, b::one_minus_lambda, eta::sqrt_dim>;

const mixer_group group{
    one<sigmoid_before>("sigmoid, read before diagonal, sum"),
    in_duals<sigmoid_before>("sigmoid, read before diagonal, sum"),
    one<relu_diagonal>("relu squared, diagonal"),
};
}  // namespace
