// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/complex_state_space.hpp>
#include <coefdyn/nn/layers/rwkv.hpp>
#include <coefdyn/nn/layers/state_space.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes: state space models and RWKV") {
  nn::sizes z = law::sizes_of(8, 4);
  SUBCASE("mamba2, two groups") {
    z.key_heads = 2, z.n = 3, z.d = 4;
    law::gradients_are_slopes<nn::mamba2>(z);
  }
  SUBCASE("ssd as published") {
    z.heads = 2, z.key_heads = 1, z.n = 4;
    law::gradients_are_slopes<nn::paper_ssd<>>(z);
  }
  SUBCASE("ssd held time-invariant, without convolution") {
    z.heads = 2, z.key_heads = 1, z.n = 4;
    law::gradients_are_slopes<nn::paper_ssd_lti<nn::convolution::no>>(z);
  }
  SUBCASE("rwkv6") {
    z.heads = 2, z.n = 2;
    law::gradients_are_slopes<nn::rwkv6>(z);
  }
  SUBCASE("rwkv7, first layer") {
    z.heads = 2;
    law::gradients_are_slopes<nn::rwkv7>(z);
  }
  SUBCASE("rwkv7, second layer") {
    z.heads = 2, z.layer = 1;
    law::gradients_are_slopes<nn::rwkv7>(z);
  }
  SUBCASE("lru") {
    z.n = 5;
    law::gradients_are_slopes<nn::lru>(z);
  }
  SUBCASE("s4") {
    z.n = 3;
    law::gradients_are_slopes<nn::s4>(z);
  }
}
}  // namespace
