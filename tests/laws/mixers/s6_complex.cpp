// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/complex_diagonal.hpp>
#include <coefdyn/mixers/state_space.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/silu.hpp>
#include <coefdyn/scaling/inverse_sqrt_dim.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;

using silu_complex = mixer<r::silu, e::complex_diagonal, b::inverse_sqrt_dim, eta::one>;

const mixer_group group{
    one<mixers::s6_complex>("s6_complex of real q and k"),
    one<mixers::s6_complex, field::complex>("s6_complex"),
    one<silu_complex>("silu, complex diagonal"),
    one<silu_complex, field::complex>("silu, complex diagonal, complex q and k"),
};
}  // namespace
