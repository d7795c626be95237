// SPDX-License-Identifier: MIT
// expects: coefdyn: the view's numbers are of another type than the stream's
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/mixers/gated_linear.hpp>
#include <vector>

using namespace coefdyn;
void call(tokens<mixers::simple_gla>& x, const std::vector<float>& numbers, std::vector<float>& out) {
  const view q(numbers.data(), 1, 8, 2, 16);
  x.q = q, x.k = q, x.v = q, x.log_decay = view(numbers.data(), 1, 8, 2);
  const view y(out.data(), 1, 8, 2, 16);
#ifdef COEFDYN_MUST_FAIL
  const std::vector<double> more(256);
  x.q = view(more.data(), 1, 8, 2, 16);
  run(device::cpu{}, form::recurrent{}, x, y);
#else
  const std::vector<float> more(256);
  x.q = view(more.data(), 1, 8, 2, 16);
  run(device::cpu{}, form::recurrent{}, x, y);
#endif
}
