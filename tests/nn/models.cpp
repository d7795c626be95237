// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/attention.hpp>
#include <coefdyn/nn/layers/gated_linear.hpp>
#include <coefdyn/nn/models/autoencoder.hpp>
#include <coefdyn/nn/models/language_model.hpp>
#include <coefdyn/nn/models/mad_language_model.hpp>
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
  SUBCASE("MAD's language model") { law::gradients_are_slopes<nn::mad_language_model<law::small_layer>>(z, true); }
  SUBCASE("MAD's language model, learned positions, no MLP") {
    z.positions = 9, z.hidden = 0;
    law::gradients_are_slopes<nn::mad_language_model<law::small_layer>>(z, true);
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
}

TEST_CASE("gradients are slopes: means over the tokens before the padding") {
  nn::model_sizes z = small();
  const idx lengths[] = {7, 1, 4};
  z.pooled = true, z.head = 5, z.outputs = 4, z.mean = nn::pooled_over::own_tokens;
  SUBCASE("transformer") { law::gradients_are_slopes<nn::paper_transformer<law::small_layer>>(z, true, 7, {}, lengths); }
  SUBCASE("mamba, of numbers") {
    z.vocabulary = 0, z.inputs = 2;
    law::gradients_are_slopes<nn::paper_mamba<law::small_layer>>(z, false, 7, {}, lengths);
  }
  SUBCASE("ssm stack, as published") {
    z.mean = nn::pooled_over::as_published;
    law::gradients_are_slopes<nn::paper_ssm<law::small_layer>>(z, true, 7, {}, lengths);
  }
}

/// Logits of sequences of 5, 2 and 3 tokens, each alone or with pads up to 7.
template <class Model>
std::vector<double> pooled_logits(nn::pooled_over mean, bool padded) {
  nn::model_sizes z = small();
  z.pooled = true, z.head = 5, z.outputs = 4, z.mean = mean;
  const Model model(z);
  nn::weights<double> w(model.parameters());
  law::scramble(w, 4);
  nn::tape<double> t(w, nullptr, 1);
  const idx lengths[] = {5, 2, 3};
  std::vector<double> out;
  const auto run = [&](const std::vector<std::int64_t>& ids, idx B, idx T, const idx* of) {
    t.begin();
    const auto logits = model(t, nn::token_ids{ids.data(), B, T, of});
    out.insert(out.end(), logits.data, logits.data + B * 4);
  };
  random_stream r(1, 2, 3, 4);
  std::vector<std::int64_t> all(21, 0);
  for (idx b = 0; b < 3; ++b) {
    for (idx i = 0; i < lengths[b]; ++i) all[std::size_t(b * 7 + i)] = std::int64_t(r.below(6));
    if (!padded) run({all.begin() + b * 7, all.begin() + b * 7 + lengths[b]}, 1, lengths[b], lengths + b);
  }
  if (padded) run(all, 3, 7, lengths);
  return out;
}
TEST_CASE_TEMPLATE("a mean over own tokens does not see the padding; one over all tokens does", Model, nn::paper_transformer<nn::gla>,
                   nn::paper_mamba<nn::gla>) {
  using enum nn::pooled_over;
  const auto far = [](const std::vector<double>& a, const std::vector<double>& b) {
    REQUIRE(a.size() == b.size());
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
    return worst;
  };
  CHECK(far(pooled_logits<Model>(own_tokens, true), pooled_logits<Model>(own_tokens, false)) < 1e-12);
  CHECK(far(pooled_logits<Model>(all_tokens, true), pooled_logits<Model>(all_tokens, false)) > 1e-3);
  CHECK(pooled_logits<Model>(as_published, true) == pooled_logits<Model>(all_tokens, true));
}
TEST_CASE("lengths that are none are refused") {
  nn::model_sizes z = small();
  z.pooled = true, z.mean = nn::pooled_over::own_tokens;
  const nn::paper_mamba<law::small_layer> model(z);
  nn::weights<double> w(model.parameters());
  nn::tape<double> t(w, nullptr, 1);
  const std::vector<std::int64_t> ids(6);
  for (const idx wrong : {0, 4}) {
    const idx lengths[] = {3, wrong};
    t.begin();
    CHECK_THROWS_WITH_AS(
        model(t, nn::token_ids{ids.data(), 2, 3, lengths}),
        ("coefdyn: length of a sequence: expected 1 .. 3 tokens, given " + std::to_string(wrong) + " of sequence 1").c_str(),
        invalid_input);
  }
}

TEST_CASE("the norms between a language model's layers take their eps") {
  nn::model_sizes z = small();
  const auto logits = [&](double eps) {
    z.norm_eps = eps;
    const nn::language_model<law::small_layer> model(z);
    nn::weights<double> w(model.parameters());
    law::scramble(w, 2);
    nn::tape<double> t(w, nullptr, 1);
    const std::vector<std::int64_t> ids{3, 1};
    t.begin();
    const auto y = model(t, nn::token_ids{ids.data(), 1, 2});
    return std::vector<double>(y.data, y.data + 12);
  };
  CHECK(logits(1e-5) == logits(1e-5));
  CHECK(logits(1e-5) != logits(1e-6));
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

/// LayerNorm, with w and b, of one token.
std::vector<double> layer_norm(std::vector<double> x, std::span<const double> w, std::span<const double> b) {
  double mean = 0, square = 0;
  for (const double v : x) mean += v / double(x.size());
  for (const double v : x) square += (v - mean) * (v - mean) / double(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = (x[i] - mean) / std::sqrt(square + 1e-5) * w[i] + b[i];
  return x;
}
std::vector<double> times(std::span<const double> W, const std::vector<double>& x) {
  std::vector<double> y(W.size() / x.size());
  for (std::size_t i = 0; i < W.size(); ++i) y[i / x.size()] += W[i] * x[i % x.size()];
  return y;
}
void add_to(std::vector<double>& x, std::span<const double> y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}
/// tanh(W x + b): of the token alone.
struct token_layer {
  nn::projection_parameters p;
  token_layer(const nn::scope& s, const nn::sizes& z) : p(s, "w", z.width, z.width, true) {}
  template <class R>
  nn::value<R> operator()(nn::tape<R>& t, const nn::value<R>& u, nn::across_layers<R>&) const {
    return nn::map(t, nn::tanh{}, p(t, u));
  }
};
TEST_CASE("MAD's language model by hand") {
  nn::model_sizes z = small();
  z.positions = 4;
  const nn::mad_language_model<token_layer> model(z);
  nn::weights<double> w(model.parameters());
  law::scramble(w, 12);
  const std::vector<std::int64_t> ids{4, 0, 5};
  nn::tape<double> t(w, nullptr, 1);
  t.begin();
  const auto logits = model(t, nn::token_ids{ids.data(), 1, 3});
  for (std::size_t i = 0; i < 3; ++i) {
    const auto row = w("token_embeds.weight").subspan(std::size_t(ids[i]) * 8, 8);
    std::vector<double> x(row.begin(), row.end());
    add_to(x, w("position_embeds").subspan(i * 8, 8));
    for (const std::string entry : {"model.0.", "model.1.", "model.2.", "model.3."}) {
      const auto u = layer_norm(x, w(entry + "norm.weight"), w(entry + "norm.bias"));
      std::vector<double> y;
      if (entry == "model.0." || entry == "model.2.") {
        y = times(w(entry + "layer.w.weight"), u);
        add_to(y, w(entry + "layer.w.bias"));
        for (double& v : y) v = std::tanh(v);
      } else {
        auto gate = times(w(entry + "layer.gate_proj.weight"), u), up = times(w(entry + "layer.up_proj.weight"), u);
        for (std::size_t c = 0; c < up.size(); ++c) up[c] *= gate[c] / (1 + std::exp(-gate[c]));
        y = times(w(entry + "layer.down_proj.weight"), up);
      }
      add_to(x, y);
    }
    auto want = times(w("unembed.lm_head.weight"), layer_norm(x, w("unembed.norm.weight"), w("unembed.norm.bias")));
    add_to(want, w("unembed.lm_head.bias"));
    REQUIRE(want.size() == 6);
    for (std::size_t c = 0; c < 6; ++c) CHECK(logits.data[i * 6 + c] == doctest::Approx(want[c]).epsilon(1e-12));
  }
}
TEST_CASE("MAD's language model as published: its names and its size; step equals sequence") {
  nn::model_sizes z;
  z.width = 128, z.layers = 2, z.vocabulary = 16, z.hidden = 352, z.layer.heads = 16;
  const nn::mad_language_model<nn::paper_attention<mixers::softmax_rope_half>> model(z);
  const auto& p = *model.parameters();
  REQUIRE(p.find("model.2.layer.Wqkv.bias"));
  CHECK(p.find("model.2.layer.out_proj.bias")->shape == std::vector<idx>{128});
  CHECK(p.find("model.3.layer.down_proj.weight")->shape == std::vector<idx>{128, 352});
  CHECK_FALSE(p.find("model.3.norm.bias")->decays);
  CHECK(p.find("unembed.lm_head.bias")->shape == std::vector<idx>{16});
  const idx attention = 4 * 128 * 128 + 4 * 128, feed = 3 * 128 * 352, norm = 2 * 128;
  CHECK(p.count() == 16 * 128 + 2 * (attention + feed + 2 * norm) + norm + 16 * 128 + 16);
  nn::weights<double> w(model.parameters());
  law::scramble(w, 2);
  nn::tape<double> t(w, nullptr, 1);
  const std::vector<std::int64_t> ids{3, 1, 15, 0, 7};
  t.begin();
  const auto logits = model(t, nn::token_ids{ids.data(), 1, 5});
  const std::vector<double> whole(logits.data, logits.data + 5 * 16);
  nn::past before(1, 5);
  model.step(t, before, nn::token_ids{ids.data(), 1, 3});
  for (idx i = 3; i < 5; ++i) {
    const auto one = model.step(t, before, nn::token_ids{ids.data() + i, 1, 1});
    for (idx c = 0; c < 16; ++c) CHECK(one.data[c] == doctest::Approx(whole[std::size_t(i * 16 + c)]).epsilon(1e-10));
  }
  z.tied = true;
  CHECK_THROWS_AS(nn::mad_language_model<law::small_layer>{z}, invalid_input);
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
