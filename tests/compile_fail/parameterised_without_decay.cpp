// SPDX-License-Identifier: MIT
// expects: coefdyn: evolution::parameterised<A, P> needs an A with a log_decay, scalar or per channel; this one has none.
#include <coefdyn/evolution/parameterised.hpp>
#include <coefdyn/mixers/delta_rule.hpp>
#include <coefdyn/parameterisation/mamba2.hpp>

using namespace coefdyn;

#ifdef COEFDYN_MUST_FAIL
using A = evolution::householder<>;
#else
using A = evolution::gated_householder<>;
#endif
template struct coefdyn::evolution::parameterised<A, parameterisation::mamba2>;
