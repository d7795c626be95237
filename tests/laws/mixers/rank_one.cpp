// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/diagonal_plus_rank_one.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/evolution/scalar_plus_rank_one.hpp>
#include <coefdyn/mixers/delta_rule.hpp>
#include <coefdyn/mixers/rwkv.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/normalization/sqrt_dim.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/exponential.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/readout/tanh.hpp>
#include <coefdyn/scaling/beta.hpp>
#include <coefdyn/scaling/exp_input.hpp>
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

using rwkv7_floored = mixer<r::linear, e::diagonal_plus_rank_one, b::exp_input, eta::floored_sum>;
using rwkv7_before = mixer<r::linear, e::read_before<e::diagonal_plus_rank_one>, b::one, eta::one>;
using comba_floored = mixer<r::linear, e::scalar_plus_rank_one, b::exp_input, eta::floored_sum>;
using rank_one_softmax = mixer<r::exponential, e::diagonal_plus_rank_one, b::inverse_sqrt_dim, eta::sum>;
using rank_one_tanh = mixer<r::tanh, e::diagonal_plus_rank_one, b::exp_input, eta::sqrt_dim>;

const mixer_group group{
    one<mixers::rwkv7>("rwkv7"),
    low_precision<mixers::rwkv7>("rwkv7"),
    in_duals<mixers::rwkv7>("rwkv7"),
    one<rwkv7_floored>("diagonal plus rank one, exponential input, floored sum"),
    one<rwkv7_before>("read before diagonal plus rank one"),
    one<mixers::comba>("comba"),
    grouped<mixers::comba>("comba"),
    one<comba_floored>("scalar plus rank one, exponential input, floored sum"),
    one<rank_one_softmax>("exponential, diagonal plus rank one, sum"),
    one<rank_one_tanh>("tanh, diagonal plus rank one, exponential input"),
};
}  // namespace
