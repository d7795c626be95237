// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/evolution/rotation.hpp>
#include <coefdyn/feature/softmax.hpp>
#include <coefdyn/normalization/count.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/elu_plus_one.hpp>
#include <coefdyn/readout/silu.hpp>
#include <coefdyn/readout/softplus.hpp>
#include <coefdyn/scaling/inverse_sqrt_dim.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using silu_count = mixer<r::silu, e::identity, b::inverse_sqrt_dim, eta::count>;
using softplus_sum = mixer<r::softplus, e::rotation<>, b::inverse_sqrt_dim, eta::sum>;
using elu_sum = mixer<r::elu_plus_one, e::identity, b::inverse_sqrt_dim, eta::sum, feature::softmax>;

const mixer_group group{
    one<silu_count>("silu, count"),
    one<softplus_sum>("softplus, rope, sum"),
    in_duals<softplus_sum>("softplus, rope, sum"),
    one<elu_sum>("elu+1 of softmax features, sum"),
};
}  // namespace
