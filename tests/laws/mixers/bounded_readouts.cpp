// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/rotation.hpp>
#include <coefdyn/mixers/attention.hpp>
#include <coefdyn/normalization/sqrt_dim.hpp>
#include <coefdyn/readout/tanh.hpp>
#include <coefdyn/scaling/inverse_sqrt_dim.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using tanh_rope = mixer<r::tanh, e::rotation<>, b::inverse_sqrt_dim, eta::sqrt_dim>;

const mixer_group group{
    one<mixers::sigmoid_attention>("sigmoid_attention"),
    one<tanh_rope>("tanh, rope"),
};
}  // namespace
