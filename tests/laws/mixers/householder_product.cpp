// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/householder_product.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
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

using product_floored = mixer<r::linear, e::householder_product<2>, b::inverse_sqrt_dim, eta::floored_sum>;
using product_gated = mixer<r::linear, e::householder_product<3, decaying::scalar>, b::one, eta::one>;

const mixer_group group{
    one<product_floored>("product of 2 Householders, floored sum"),
    one<product_gated>("gated product of 3 Householders"),
    grouped<product_gated>("gated product of 3 Householders"),
    in_duals<product_gated>("gated product of 3 Householders"),
};
}  // namespace
