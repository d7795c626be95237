// SPDX-License-Identifier: MIT
// expects: writes<m, A> needs an A without micro-steps of its own
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/evolution/writes.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
#ifdef COEFDYN_MUST_FAIL
using A = evolution::writes<2, evolution::writes<2, evolution::scalar>>;
#else
using A = evolution::writes<4, evolution::scalar>;
#endif
tokens<mixer<readout::linear, A, scaling::one, normalization::one>> x;
