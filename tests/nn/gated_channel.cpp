// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/gated_linear.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes, steps are the sequence: a decay per channel") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("gla") {
    z.n = 2;
    law::layer_laws<nn::gla>(z);
  }
  SUBCASE("hgrn2") { law::layer_laws<nn::hgrn2>(z); }
}
}  // namespace
