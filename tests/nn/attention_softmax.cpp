// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/attention.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes, steps are the sequence: attention") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("softmax, RoPE, biases") { law::layer_laws<nn::attention<mixers::softmax_rope_half, nn::bias::yes>>(z); }
  SUBCASE("softmax, RoPE, shared keys and values") {
    z.heads = 4, z.key_heads = 2, z.n = 4, z.d = 2;
    law::layer_laws<nn::attention<>>(z);
  }
  SUBCASE("softmax, fused, convolved") {
    z.n = 2;
    law::layer_laws<nn::paper_attention<mixers::softmax_attention, nn::convolution::yes>>(z);
  }
}
}  // namespace
