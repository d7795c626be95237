// SPDX-License-Identifier: MIT
// expects: gates and accumulation are never below float
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/mixers/gated_linear.hpp>

using namespace coefdyn;
#ifdef COEFDYN_MUST_FAIL
tokens<mixers::gla, types<bf16>> x;
#else
tokens<mixers::gla, types<bf16, float>> x;
#endif
