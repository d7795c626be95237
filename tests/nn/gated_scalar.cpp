// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/gated_linear.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes, steps are the sequence: a decay per head") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("retention") {
    z.d = 8;
    law::layer_laws<nn::retention>(z);
  }
  SUBCASE("simple gla") { law::layer_laws<nn::simple_gla>(z); }
}
}  // namespace
