// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/delta_rule.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes, steps are the sequence: delta rules") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("deltanet, gated, negative eigenvalues") {
    z.strongest = 2;
    law::layer_laws<nn::deltanet_gated>(z);
  }
  SUBCASE("gated deltanet, grouped values") {
    z.heads = 4, z.key_heads = 2, z.n = 3, z.d = 2;
    law::layer_laws<nn::gated_deltanet>(z);
  }
}
}  // namespace
