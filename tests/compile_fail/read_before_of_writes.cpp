// SPDX-License-Identifier: MIT
// expects: read_before<A> needs an A that writes once per token
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/evolution/writes.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
#ifdef COEFDYN_MUST_FAIL
using A = evolution::read_before<evolution::writes<2, evolution::scalar>>;
#else
using A = evolution::read_before<evolution::scalar>;
#endif
tokens<mixer<readout::linear, A, scaling::one, normalization::one>> x;
