// SPDX-License-Identifier: MIT
// expects: read_before<A> needs an A that writes once per token
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/evolution/householder.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/evolution/writes.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/beta.hpp>

using namespace coefdyn;
#ifdef COEFDYN_MUST_FAIL
using A = evolution::read_before<evolution::writes<2, evolution::householder<>>>;
#else
using A = evolution::read_before<evolution::householder<>>;
#endif
tokens<mixer<readout::linear, A, scaling::beta, normalization::one>> x;
