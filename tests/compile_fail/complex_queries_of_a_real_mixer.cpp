// SPDX-License-Identifier: MIT
// expects: complex q and k need an evolution over the complex numbers
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/mixers/gated_linear.hpp>
#include <coefdyn/mixers/state_space.hpp>

using namespace coefdyn;
#ifdef COEFDYN_MUST_FAIL
tokens<mixers::gla, float, heads::grouped_queries, field::complex> x;
#else
tokens<mixers::lru, float, heads::grouped_queries, field::complex> x;
#endif
