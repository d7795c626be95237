// SPDX-License-Identifier: MIT
// expects: writes<m, A> needs an A with a declared structure
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/evolution/dense.hpp>
#include <coefdyn/evolution/writes.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
#ifdef COEFDYN_MUST_FAIL
using A = evolution::writes<2, evolution::dense<>>;
#else
using A = evolution::dense<>;
#endif
tokens<mixer<readout::linear, A, scaling::one, normalization::one>> x;
