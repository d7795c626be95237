// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/attention.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes, steps are the sequence: linear attention") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("elu + 1") { law::layer_laws<nn::linear_attention<>>(z); }
  SUBCASE("plain") { law::layer_laws<nn::linear_attention<mixers::linear_attention>>(z); }
}
}  // namespace
