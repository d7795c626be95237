// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/gated_householder.hpp>
#include <coefdyn/evolution/householder_product.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/evolution/writes.hpp>
#include <coefdyn/normalization/count.hpp>
#include <coefdyn/normalization/sqrt_dim.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/readout/sigmoid.hpp>
#include <coefdyn/scaling/beta.hpp>
#include <coefdyn/scaling/inverse_sqrt_dim.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using sigmoid_product = mixer<r::sigmoid, e::writes<2, e::gated_householder<>>, b::beta, eta::sum>;
using product_before = mixer<r::linear, e::read_before<e::householder_product<2, decaying::scalar>>, b::inverse_sqrt_dim, eta::sqrt_dim>;
using product_sigmoid = mixer<r::sigmoid, e::householder_product<2>, b::inverse_sqrt_dim, eta::count>;

const mixer_group group{
    one<sigmoid_product>("sigmoid, Gated DeltaProduct of 2, sum"),
    one<product_before>("read before gated product of 2 Householders"),
    one<product_sigmoid>("sigmoid, product of 2 Householders, count"),
};
}  // namespace
