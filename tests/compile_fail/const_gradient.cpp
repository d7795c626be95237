// SPDX-License-Identifier: MIT
// expects: coefdyn: a gradient is written, and this view is of const numbers
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/mixers/gated_linear.hpp>
#include <vector>

using namespace coefdyn;
#ifdef COEFDYN_MUST_FAIL
using numbers = const std::vector<float>;
#else
using numbers = std::vector<float>;
#endif
void bind(gradients<mixers::simple_gla>& g, numbers& dq) { g.q = view(dq.data(), 1, 8, 2, 16); }
