// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/gated_linear.hpp>
#include <coefdyn/nn/models/language_model.hpp>

#include "law.hpp"

// Bounds that a model's layers share, as HGRN-2 has them.

namespace {
using namespace coefdyn;
using rising = nn::language_model<nn::hgrn2_rising_bound>;

nn::model_sizes three_layers() {
  nn::model_sizes z;
  z.width = 6, z.layers = 3, z.vocabulary = 5, z.hidden = 4, z.layer.heads = 2, z.layer.n = 2, z.layer.d = 3;
  return z;
}

TEST_CASE("gradients are slopes, steps are the sequence: bounds that rise from layer to layer") {
  nn::sizes z = law::sizes_of(6, 2);
  z.n = 2, z.d = 3, z.layers = 3;
  SUBCASE("the second of three layers") { z.layer = 1, law::layer_laws<nn::hgrn2_rising_bound>(z); }
  SUBCASE("the last") { z.layer = 2, law::layer_laws<nn::hgrn2_rising_bound>(z); }
  SUBCASE("in a model") { law::gradients_are_slopes<rising>(three_layers(), true); }
}

TEST_CASE("the bounds of a model are cumsum(softmax(lower_bounds)) - its first row") {
  const nn::model_sizes z = three_layers();
  const rising model(z);
  const nn::language_model<nn::hgrn2_lower_bound> said(z);
  nn::weights<double> w(model.parameters()), said_w(said.parameters());
  law::scramble(w, 3);
  for (const auto& e : said_w.parameters()->entries())
    if (const auto* same = w.parameters()->find(e.name)) {
      REQUIRE(same->shape == e.shape);
      std::copy_n(w(e.name).data(), e.place.size(), said_w(e.name).data());
    }
  const auto P = w("lower_bounds");  // (3, 4)
  REQUIRE(P.size() == 12);
  for (std::size_t c = 0; c < 4; ++c) {
    double all = 0, sum = 0;
    for (std::size_t l = 0; l < 3; ++l) all += std::exp(P[l * 4 + c]);
    for (std::size_t l = 0; l < 3; ++l) {
      sum += std::exp(P[l * 4 + c]) / all;
      said_w("layers." + std::to_string(l) + ".attn.lower_bound")[c] = l == 0 ? 0 : sum - std::exp(P[c]) / all;
    }
  }
  const std::vector<std::int64_t> ids{0, 3, 1, 4, 4, 2, 0, 1, 3, 2};
  const auto logits = [&](const auto& m, const nn::weights<double>& of) {
    nn::tape<double> t(of, nullptr, 1);
    t.begin();
    const auto y = m(t, nn::token_ids{ids.data(), 2, 5});
    return std::vector<double>(y.data, y.data + y.rows() * y.columns);
  };
  const auto got = logits(model, w), want = logits(said, said_w);
  double worst = 0, size = 0;
  for (std::size_t i = 0; i < want.size(); ++i)
    worst = std::max(worst, std::abs(got[i] - want[i])), size = std::max(size, std::abs(want[i]));
  CHECK(size > 0.1);
  CHECK(worst < 1e-13 * size);
}

TEST_CASE("one parameter of all layers, without decay, from 0") {
  const rising model(three_layers());
  const nn::parameter_entry* e = model.parameters()->find("lower_bounds");
  REQUIRE(e);
  CHECK(e->shape == std::vector<idx>{3, 4});
  CHECK_FALSE(e->decays);
  nn::weights<double> w(model.parameters());
  w.initialise(1);
  for (const double x : w("lower_bounds")) CHECK(x == 0);
  nn::sizes z = law::sizes_of(6, 2);
  z.layer = z.layers;
  nn::parameter_list list;
  CHECK_THROWS_WITH_AS(nn::hgrn2_rising_bound(nn::scope(list), z), "coefdyn: layer: expected 0 .. 1, given 2", invalid_input);
}
}  // namespace
