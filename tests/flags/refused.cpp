// SPDX-License-Identifier: MIT
// A call with a wrong extent, which a program without exceptions ends with (run.sh).
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/mixers/gated_linear.hpp>
#include <vector>

using namespace coefdyn;
int main() {
  const std::vector<float> numbers(256, 0.1f);
  std::vector<float> out(256);
  const view q(numbers.data(), 1, 8, 2, 16);
  tokens<mixers::simple_gla> x;
  x.q = q, x.k = q, x.v = q, x.log_decay = view(numbers.data(), 1, 8, 3);
  run(device::cpu{}, form::recurrent{}, x, view(out.data(), 1, 8, 2, 16));
}
