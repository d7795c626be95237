// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/delta_rule.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes: delta rules") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("deltanet, gated, negative eigenvalues") {
    z.strongest = 2;
    law::gradients_are_slopes<nn::deltanet_gated>(z);
  }
  SUBCASE("gated deltanet, grouped values") {
    z.heads = 4, z.key_heads = 2, z.n = 3, z.d = 2;
    law::gradients_are_slopes<nn::gated_deltanet>(z);
  }
  SUBCASE("kda") {
    z.n = 3;
    law::gradients_are_slopes<nn::kda>(z);
  }
  SUBCASE("two writes a token") { law::gradients_are_slopes<nn::gated_deltaproduct<2>>(z); }
  SUBCASE("path attention") {
    z.convolution = 3;
    law::gradients_are_slopes<nn::path_attention>(z);
  }
}
}  // namespace
