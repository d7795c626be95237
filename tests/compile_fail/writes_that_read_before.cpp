// SPDX-License-Identifier: MIT
// expects: reads after its last write; drop read_before
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/evolution/writes.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
#ifdef COEFDYN_MUST_FAIL
using A = evolution::writes<2, evolution::read_before<evolution::scalar>>;
#else
using A = evolution::writes<2, evolution::scalar>;
#endif
tokens<mixer<readout::linear, A, scaling::one, normalization::one>> x;
