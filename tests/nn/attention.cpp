// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/attention.hpp>
#include <coefdyn/readout/softplus.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;
using softplus_attention = mixer<readout::softplus, evolution::identity, scaling::inverse_sqrt_dim, normalization::sum>;

TEST_CASE("gradients are slopes: attention") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("softmax, RoPE, biases") { law::gradients_are_slopes<nn::attention<mixers::softmax_rope_half, nn::bias::yes>>(z); }
  SUBCASE("softmax, RoPE, shared keys and values") {
    z.heads = 4, z.key_heads = 2, z.n = 4, z.d = 2;
    law::gradients_are_slopes<nn::attention<>>(z);
  }
  SUBCASE("softplus") { law::gradients_are_slopes<nn::attention<softplus_attention>>(z); }
  SUBCASE("linear, elu + 1") { law::gradients_are_slopes<nn::linear_attention<>>(z); }
  SUBCASE("linear, plain") { law::gradients_are_slopes<nn::linear_attention<mixers::linear_attention>>(z); }
  z.n = 2;
  SUBCASE("softmax, fused, convolved") {
    law::gradients_are_slopes<nn::paper_attention<mixers::softmax_attention, nn::convolution::yes>>(z);
  }
  SUBCASE("norm attention, fused, convolved") {
    law::gradients_are_slopes<nn::paper_attention<mixers::norm_attention_softplus, nn::convolution::yes>>(z);
  }
}
}  // namespace
