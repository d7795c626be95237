// SPDX-License-Identifier: MIT
// expects: writes<m, A> writes at least once per token
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/evolution/writes.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
#ifdef COEFDYN_MUST_FAIL
constexpr int writes_per_token = 0;
#else
constexpr int writes_per_token = 1;
#endif
tokens<mixer<readout::linear, evolution::writes<writes_per_token, evolution::scalar>, scaling::one, normalization::one>> x;
