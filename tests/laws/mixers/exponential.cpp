// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/feature/l2.hpp>
#include <coefdyn/normalization/gate.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/exponential.hpp>
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

const mixer_group group{
    one<exponential_gated>("exponential, gate softplus with offset"),
    one<softmax_of_units>("softmax of l2 features"),
};
}  // namespace
