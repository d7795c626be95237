// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/diagonal_plus_rank_one.hpp>
#include <coefdyn/normalization/sqrt_dim.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/exponential.hpp>
#include <coefdyn/readout/tanh.hpp>
#include <coefdyn/scaling/exp_input.hpp>
#include <coefdyn/scaling/inverse_sqrt_dim.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using rank_one_softmax = mixer<r::exponential, e::diagonal_plus_rank_one, b::inverse_sqrt_dim, eta::sum>;
using rank_one_tanh = mixer<r::tanh, e::diagonal_plus_rank_one, b::exp_input, eta::sqrt_dim>;

const mixer_group group{
    one<rank_one_softmax>("exponential, diagonal plus rank one, sum"),
    one<rank_one_tanh>("tanh, diagonal plus rank one, exponential input"),
};
}  // namespace
