// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/attention.hpp>
#include <coefdyn/readout/softplus.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;
using softplus_attention = mixer<readout::softplus, evolution::identity, scaling::inverse_sqrt_dim, normalization::sum>;

TEST_CASE("gradients are slopes, steps are the sequence: attention with other maps and norms") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("softplus") { law::layer_laws<nn::attention<softplus_attention>>(z); }
  SUBCASE("norm attention, fused, convolved") {
    z.n = 2;
    law::layer_laws<nn::paper_attention<mixers::norm_attention_softplus, nn::convolution::yes>>(z);
  }
}
}  // namespace
