// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/rwkv.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes, steps are the sequence: RWKV") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("rwkv6") {
    z.n = 2;
    law::layer_laws<nn::rwkv6>(z);
  }
  SUBCASE("rwkv7, first layer") { law::layer_laws<nn::rwkv7>(z); }
  SUBCASE("rwkv7, second layer") {
    z.layer = 1;
    law::layer_laws<nn::rwkv7>(z);
  }
}
}  // namespace
