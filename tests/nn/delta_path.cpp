// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/delta_rule.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes, steps are the sequence: path attention") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("width 3") {
    z.convolution = 3;
    law::layer_laws<nn::path_attention>(z);
  }
}
}  // namespace
