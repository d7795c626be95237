// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/diagonal_householder.hpp>
#include <coefdyn/evolution/diagonal_plus_rank_one.hpp>
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/evolution/writes.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/beta.hpp>
#include <coefdyn/scaling/exp_input.hpp>
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

using kimi_product_floored = mixer<r::linear, e::writes<2, e::diagonal_householder<>>, b::product<b::beta, b::exp_input>, eta::floored_sum>;
using two_writes = mixer<r::linear, e::writes<2, e::scalar>, b::one, eta::one>;
using rank_one_writes = mixer<r::linear, e::writes<2, e::diagonal_plus_rank_one>, b::one, eta::one>;

const mixer_group group{
    one<kimi_product_floored>("KDA with 2 writes, exponential input, floored sum"),
    one<two_writes>("scalar with 2 writes"),
    one<rank_one_writes>("diagonal plus rank one with 2 writes"),
};
}  // namespace
