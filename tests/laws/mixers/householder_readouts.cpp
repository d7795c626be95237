// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/diagonal_householder.hpp>
#include <coefdyn/evolution/gated_householder.hpp>
#include <coefdyn/feature/l2.hpp>
#include <coefdyn/feature/softmax.hpp>
#include <coefdyn/mixers/attention.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/exponential.hpp>
#include <coefdyn/readout/sigmoid.hpp>
#include <coefdyn/scaling/beta.hpp>
#include <coefdyn/scaling/inverse_sqrt_dim.hpp>
#include <coefdyn/scaling/product.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using kimi_exponential = mixer<r::exponential, e::diagonal_householder<>, b::product<b::beta, b::inverse_sqrt_dim>, eta::sum, feature::l2>;
using sigmoid_gated = mixer<r::sigmoid, e::gated_householder<>, b::beta, eta::sum, feature::softmax>;

const mixer_group group{
    one<mixers::path_attention>("path_attention"),
    in_duals<mixers::path_attention>("path_attention"),
    one<kimi_exponential>("exponential, diagonal Householder, l2 features, sum"),
    one<sigmoid_gated>("sigmoid, gated Householder, softmax features, sum"),
};
}  // namespace
