// SPDX-License-Identifier: MIT
// expects: a scaling by lambda needs an evolution with a log_decay stream
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one_minus_lambda.hpp>

using namespace coefdyn;
#ifdef COEFDYN_MUST_FAIL
using A = evolution::identity;
#else
using A = evolution::scalar;
#endif
tokens<mixer<readout::linear, A, scaling::one_minus_lambda, normalization::one>> x;
