// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/delta_rule.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes, steps are the sequence: delta rules with a decay per channel, with several writes") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("kda") {
    z.n = 3;
    law::layer_laws<nn::kda>(z);
  }
  SUBCASE("two writes a token") { law::layer_laws<nn::gated_deltaproduct<2>>(z); }
}
}  // namespace
