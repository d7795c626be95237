// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/diagonal_householder.hpp>
#include <coefdyn/evolution/diagonal_plus_rank_one.hpp>
#include <coefdyn/evolution/gated_householder.hpp>
#include <coefdyn/evolution/householder.hpp>
#include <coefdyn/evolution/householder_product.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/evolution/writes.hpp>
#include <coefdyn/mixers/delta_rule.hpp>
#include <coefdyn/normalization/count.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/normalization/sqrt_dim.hpp>
#include <coefdyn/normalization/sum.hpp>
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

using kimi_product_floored = mixer<r::linear, e::writes<2, e::diagonal_householder<>>, b::product<b::beta, b::exp_input>, eta::floored_sum>;
using two_writes = mixer<r::linear, e::writes<2, e::scalar>, b::one, eta::one>;
using rank_one_writes = mixer<r::linear, e::writes<2, e::diagonal_plus_rank_one>, b::one, eta::one>;
using sigmoid_product = mixer<r::sigmoid, e::writes<2, e::gated_householder<>>, b::beta, eta::sum>;
using product_floored = mixer<r::linear, e::householder_product<2>, b::inverse_sqrt_dim, eta::floored_sum>;
using product_gated = mixer<r::linear, e::householder_product<3, e::product_gate::scalar>, b::one, eta::one>;
using product_before =
    mixer<r::linear, e::read_before<e::householder_product<2, e::product_gate::scalar>>, b::inverse_sqrt_dim, eta::sqrt_dim>;
using product_sigmoid = mixer<r::sigmoid, e::householder_product<2>, b::inverse_sqrt_dim, eta::count>;

const mixer_group several_writes{
    one<mixers::deltaproduct_2>("deltaproduct_2"),
    one<mixers::deltaproduct_3>("deltaproduct_3"),
    one<mixers::gated_deltaproduct_2>("gated_deltaproduct_2"),
    one<mixers::gated_deltaproduct_3>("gated_deltaproduct_3"),
    grouped<mixers::gated_deltaproduct_3>("gated_deltaproduct_3"),
    in_duals<mixers::gated_deltaproduct_3>("gated_deltaproduct_3"),
    one<kimi_product_floored>("KDA with 2 writes, exponential input, floored sum"),
    one<two_writes>("scalar with 2 writes"),
};
const mixer_group rows{
    one<rank_one_writes>("diagonal plus rank one with 2 writes"),
    one<sigmoid_product>("sigmoid, Gated DeltaProduct of 2, sum"),
};
const mixer_group one_write{
    one<product_floored>("product of 2 Householders, floored sum"),     one<product_gated>("gated product of 3 Householders"),
    grouped<product_gated>("gated product of 3 Householders"),          in_duals<product_gated>("gated product of 3 Householders"),
    one<product_before>("read before gated product of 2 Householders"), one<product_sigmoid>("sigmoid, product of 2 Householders, count"),
};
}  // namespace
