// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/complex_diagonal.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/mixers/state_space.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/sqrt_one_minus_lambda2.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using complex_before = mixer<r::linear, e::read_before<e::complex_diagonal>, b::sqrt_one_minus_lambda2, eta::sum>;

const mixer_group group{
    one<mixers::s5, field::complex>("s5"),
    one<mixers::s5>("s5 of real q and k"),
    one<complex_before, field::complex>("read before complex diagonal, sum"),
};
}  // namespace
