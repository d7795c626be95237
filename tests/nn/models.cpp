// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/gated_linear.hpp>
#include <coefdyn/nn/models/autoencoder.hpp>
#include <coefdyn/nn/models/language_model.hpp>
#include <coefdyn/nn/models/paper_models.hpp>

#include "law.hpp"
#include "small_layer.hpp"

namespace {
using namespace coefdyn;

nn::model_sizes small() {
  nn::model_sizes z;
  z.width = 8, z.layers = 2, z.vocabulary = 6, z.hidden = 5;
  z.layer.heads = 2, z.layer.n = 2, z.layer.rank = 3;
  return z;
}

TEST_CASE("gradients are slopes: models") {
  nn::model_sizes z = small();
  SUBCASE("language model") { law::gradients_are_slopes<nn::language_model<law::small_layer>>(z, true); }
  SUBCASE("language model, tied, learned positions, no MLP") {
    z.tied = true, z.positions = 9, z.hidden = 0;
    law::gradients_are_slopes<nn::language_model<law::small_layer>>(z, true);
  }
  SUBCASE("autoencoder") { law::gradients_are_slopes<nn::autoencoder<law::small_layer>>(z, true); }
  SUBCASE("transformer of images, pooled, gated") {
    z.vocabulary = 0, z.outputs = 4, z.pooled = z.gated = true, z.head = 5;
    law::gradients_are_slopes<nn::paper_transformer<law::small_layer>>(z, false);
  }
  SUBCASE("transformer of tokens, no MLP") {
    z.hidden = 0, z.positions = 8;
    law::gradients_are_slopes<nn::paper_transformer<law::small_layer>>(z, true);
  }
  SUBCASE("mamba, norm after") {
    z.vocabulary = 0, z.inputs = 2, z.outputs = 4, z.pooled = true, z.norm_first = false;
    law::gradients_are_slopes<nn::paper_mamba<law::small_layer>>(z, false);
  }
  SUBCASE("ssm stack, batch norm first, tokens") { law::gradients_are_slopes<nn::paper_ssm<law::small_layer>>(z, true); }
  SUBCASE("ssm stack, batch norm after, pooled") {
    z.vocabulary = 0, z.outputs = 4, z.pooled = true, z.norm_first = false;
    law::gradients_are_slopes<nn::paper_ssm<law::small_layer>>(z, false);
  }
}

TEST_CASE("a model's names are a checkpoint's") {
  const nn::language_model<nn::gla> model(small());
  const auto& p = *model.parameters();
  REQUIRE(p.find("layers.1.attn.gk_proj.1.weight"));
  CHECK(p.find("layers.1.attn.gk_proj.1.weight")->shape == std::vector<idx>{4, 3});
  CHECK(p.find("layers.0.mlp.down_proj.weight")->shape == std::vector<idx>{8, 5});
  CHECK(p.find("layers.0.mlp.down_proj.weight")->decays);
  CHECK_FALSE(p.find("layers.0.attn_norm.weight")->decays);
  CHECK_FALSE(p.find("layers.0.attn.gk_proj.1.bias")->decays);
  CHECK(p.find("lm_head.weight")->shape == std::vector<idx>{6, 8});
  CHECK(p.entries().size() == 3 + 2 * (1 + 9 + 1 + 3));
}

TEST_CASE("models refuse what they cannot take, in a sentence") {
  nn::model_sizes z = small();
  const nn::language_model<law::small_layer> model(z);
  nn::weights<double> w(model.parameters());
  nn::tape<double> t(w);
  std::vector<std::int64_t> ids{0, 5, 6};
  t.begin();
  CHECK_THROWS_WITH_AS(model(t, nn::model_input<double>(nn::token_ids{ids.data(), 1, 3})),
                       "coefdyn: token id: expected 0 .. 5, given 6 at 2", invalid_input);
  CHECK_THROWS_AS(model(t, nn::model_input<double>(nn::value<double>{})), invalid_input);
  z.layer.heads = 3;
  z.layer.n = 0;
  CHECK_THROWS_WITH_AS(nn::language_model<nn::gla>{z}, "coefdyn: width: expected a multiple of the 3 heads, given 8", invalid_input);
  z = small(), z.width = 0;
  CHECK_THROWS_AS(nn::language_model<nn::gla>{z}, invalid_input);
  const std::vector<std::int64_t> labels{0, 7};
  const auto logits = t.make(1, 2, 6);
  CHECK_THROWS_AS(nn::cross_entropy<double>(t, logits, labels), invalid_input);
}
}  // namespace
