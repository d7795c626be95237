// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/gated_linear.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes, steps are the sequence: exponential gates") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("mlstm") {
    z.n = 2;
    law::layer_laws<nn::mlstm>(z);
  }
}
}  // namespace
