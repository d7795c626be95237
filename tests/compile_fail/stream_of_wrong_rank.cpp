// SPDX-License-Identifier: MIT
// expects: this stream has another shape
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/mixers/delta_rule.hpp>

using namespace coefdyn;
void bind(tokens<mixers::deltanet>& x, const float* p) {
#ifdef COEFDYN_MUST_FAIL
  x.beta = view(p, 1, 8, 2, 16);
#else
  x.beta = view(p, 1, 8, 2);
#endif
}
