// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/state_space.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes, steps are the sequence: state space models") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("mamba2, two groups") {
    z.heads = 4, z.key_heads = 2, z.n = 3, z.d = 4;
    law::layer_laws<nn::mamba2>(z);
  }
  SUBCASE("ssd as published") {
    z.key_heads = 1, z.n = 4;
    law::layer_laws<nn::paper_ssd<>>(z);
  }
  SUBCASE("ssd held time-invariant, without convolution") {
    z.key_heads = 1, z.n = 4;
    law::layer_laws<nn::paper_ssd_lti<nn::convolution::no>>(z);
  }
}
}  // namespace
