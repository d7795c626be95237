// SPDX-License-Identifier: MIT
#include <coefdyn/evolution/complex_diagonal.hpp>
#include <coefdyn/evolution/fixed_complex_diagonal.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/mixers/state_space.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/readout/silu.hpp>
#include <coefdyn/scaling/delta.hpp>
#include <coefdyn/scaling/inverse_sqrt_dim.hpp>
#include <coefdyn/scaling/one.hpp>
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
using silu_complex = mixer<r::silu, e::complex_diagonal, b::inverse_sqrt_dim, eta::one>;

const mixer_group group{
    one<mixers::lru, field::complex>("lru"),
    low_precision<mixers::lru, field::complex>("lru"),
    in_duals<mixers::lru, field::complex>("lru"),
    grouped<mixers::lru, field::complex>("lru"),
    one<mixers::s5, field::complex>("s5"),
    one<mixers::s5>("s5 of real q and k"),
    one<mixers::s6_complex>("s6_complex of real q and k"),
    one<mixers::s6_complex, field::complex>("s6_complex"),
    one<complex_before, field::complex>("read before complex diagonal, sum"),
    one<silu_complex>("silu, complex diagonal"),
    one<silu_complex, field::complex>("silu, complex diagonal, complex q and k"),
};
}  // namespace
