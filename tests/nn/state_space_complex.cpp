// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/complex_state_space.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes, steps are the sequence: complex state space models") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("lru") {
    z.n = 5;
    law::layer_laws<nn::lru>(z);
  }
  SUBCASE("s4") {
    z.n = 3;
    law::layer_laws<nn::s4>(z);
  }
}
}  // namespace
