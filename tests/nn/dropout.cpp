// SPDX-License-Identifier: MIT
#include <coefdyn/nn/dropout.hpp>
#include <coefdyn/nn/layers/attention.hpp>
#include <coefdyn/nn/layers/complex_state_space.hpp>
#include <coefdyn/nn/models/language_model.hpp>
#include <coefdyn/nn/models/paper_models.hpp>

#include "law.hpp"
#include "small_layer.hpp"

namespace {
using namespace coefdyn;

struct fixture {
  std::shared_ptr<nn::parameter_list> list = std::make_shared<nn::parameter_list>();
  nn::weights<double> w, dw;
  fixture() : w(named(list)), dw(list) {}
  static std::shared_ptr<nn::parameter_list> named(const std::shared_ptr<nn::parameter_list>& l) {
    nn::scope(*l).vector("unused", 1, nn::start::constant(0));
    return l;
  }
};
std::vector<double> dropped(const nn::weights<double>& w, std::optional<nn::dropout_draws> draws, int threads,
                            nn::shared_draws share = nn::shared_draws::no, int site = 0, double p = 0.3) {
  nn::tape<double> t(w, nullptr, threads);
  t.begin(draws);
  const nn::value<double> x = t.make(3, 67, 5);
  std::fill_n(x.data, 3 * 67 * 5, 1.0);
  for (int i = 0; i < site; ++i) nn::dropout(t, x, p);
  const nn::value<double> y = nn::dropout(t, x, p, share);
  return {y.data, y.data + 3 * 67 * 5};
}

TEST_CASE("dropout: the mask is a function of seed, step, site and element, whatever the threads") {
  const fixture f;
  const auto one = dropped(f.w, nn::dropout_draws{5, 9}, 1);
  random_stream words(5, 102, 9, 0);  // in order: element i takes word i
  for (const double x : one) CHECK(x == (words.unit() >= 0.3 ? 1 / 0.7 : 0));
  CHECK(one == dropped(f.w, nn::dropout_draws{5, 9}, 3));
  CHECK(one != dropped(f.w, nn::dropout_draws{6, 9}, 1));
  CHECK(one != dropped(f.w, nn::dropout_draws{5, 8}, 1));
  CHECK(one != dropped(f.w, nn::dropout_draws{5, 9}, 1, nn::shared_draws::no, 1));
}

TEST_CASE("dropout: all is kept in an evaluation and for p = 0; tokens may share draws") {
  const fixture f;
  const std::vector<double> all(3 * 67 * 5, 1.0);
  CHECK(dropped(f.w, {}, 1) == all);
  CHECK(dropped(f.w, nn::dropout_draws{5, 9}, 1, nn::shared_draws::no, 0, 0) == all);
  const auto shared = dropped(f.w, nn::dropout_draws{5, 9}, 2, nn::shared_draws::over_time);
  random_stream words(5, 102, 9, 0);
  for (std::size_t b = 0; b < 3; ++b)
    for (std::size_t c = 0; c < 5; ++c) {
      const double want = words.unit() >= 0.3 ? 1 / 0.7 : 0;
      for (std::size_t s = 0; s < 67; ++s) CHECK(shared[(b * 67 + s) * 5 + c] == want);
    }
  nn::tape<double> t(f.w);
  const nn::value<double> x = t.make(1, 1, 1);
  for (const double p : {1.0, -0.1, std::nan("")}) CHECK_THROWS_AS(nn::dropout(t, x, p), invalid_input);
}

/// Gradients are slopes with the draws of one step held; another step has another loss, an evaluation a third.
template <class M>
void dropout_in(nn::model_sizes z, bool tokens_in) {
  z.width = 6, z.dropout = 0.25;
  law::gradients_are_slopes<M>(z, tokens_in, 7, nn::dropout_draws{3, 4});
  const M model(z);
  nn::weights<double> w(model.parameters());
  law::scramble(w, 8);
  nn::tape<double> t(w);
  law::noise random(4);
  const auto x = random(2 * 7 * z.inputs);
  const std::vector<std::int64_t> ids(2 * 7, 1);
  const auto first_logit = [&](std::optional<nn::dropout_draws> draws) {
    t.begin(draws);
    const auto given = tokens_in ? nn::model_input<double>(nn::token_ids{ids.data(), 2, 7})
                                 : nn::model_input<double>(nn::input_of<double>(x.data(), 2, 7, z.inputs));
    return model(t, given).data[0];
  };
  const double evaluated = first_logit({}), a = first_logit(nn::dropout_draws{1, 0}), b = first_logit(nn::dropout_draws{1, 1});
  CHECK(evaluated != a);
  CHECK(a != b);
  CHECK(first_logit(nn::dropout_draws{1, 0}) == a);
  z.dropout = 0;
  const M plain(z);
  nn::tape<double> same(w);
  same.begin();
  const auto given = tokens_in ? nn::model_input<double>(nn::token_ids{ids.data(), 2, 7})
                               : nn::model_input<double>(nn::input_of<double>(x.data(), 2, 7, z.inputs));
  CHECK(plain(same, given).data[0] == evaluated);
}
TEST_CASE("dropout in the models of the spectra's paper: gradients are slopes, evaluations have none") {
  nn::model_sizes z;
  SUBCASE("transformer, gated") {
    z.vocabulary = 5, z.hidden = 4, z.gated = true;
    dropout_in<nn::paper_transformer<law::small_layer>>(z, true);
  }
  SUBCASE("mamba, pooled") {
    z.inputs = 2, z.outputs = 3, z.pooled = true;
    dropout_in<nn::paper_mamba<law::small_layer>>(z, false);
  }
  SUBCASE("ssm stack") {
    z.vocabulary = 5;
    dropout_in<nn::paper_ssm<law::small_layer>>(z, true);
  }
}

/// Logits, then the gradients of a step with these draws.
template <class Model>
std::vector<double> step_of(const nn::model_sizes& z, std::optional<nn::dropout_draws> draws, int threads) {
  const Model model(z);
  nn::weights<double> w(model.parameters()), dw(model.parameters());
  law::scramble(w, 12);
  nn::tape<double> t(w, &dw, threads);
  t.begin(draws);
  std::vector<std::int64_t> ids(3 * 40);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = std::int64_t(i * i % 5);
  const nn::value<double> y = model(t, nn::token_ids{ids.data(), 3, 40});
  std::vector<double> out(y.data, y.data + y.rows() * y.columns);
  nn::cross_entropy<double>(t, y, ids);
  t.backward();
  out.insert(out.end(), dw.data(), dw.data() + dw.size());
  return out;
}
template <class M>
void drops_weights_in_training(nn::model_sizes z) {
  using model = nn::paper_transformer<nn::paper_attention<M>>;
  z.layer.drop_weights = 0.25;
  const nn::dropout_draws draws{3, 4};
  law::gradients_are_slopes<model>(z, true, 7, draws);
  const auto one = step_of<model>(z, draws, 1), evaluated = step_of<model>(z, {}, 1);
  CHECK(one == step_of<model>(z, draws, 2));
  CHECK(one == step_of<model>(z, draws, 3));
  CHECK(one != step_of<model>(z, nn::dropout_draws{3, 5}, 1));
  CHECK(one != evaluated);
  z.recompute = true;  // draws the same words again
  CHECK(one == step_of<model>(z, draws, 2));
  z.recompute = false, z.layer.drop_weights = 0;
  CHECK(evaluated == step_of<model>(z, {}, 1));
}
TEST_CASE("dropout of attention weights: gradients are slopes, evaluations have none, threads change no bit") {
  nn::model_sizes z;
  z.width = 8, z.vocabulary = 5, z.hidden = 4, z.layer.heads = 2;
  SUBCASE("softmax") { drops_weights_in_training<mixers::softmax_attention>(z); }
  SUBCASE("linear, with dropout of activations") {
    z.dropout = 0.2;
    drops_weights_in_training<mixers::linear_attention_elu1>(z);
  }
}
TEST_CASE("dropout of attention weights is refused by layers that have no reads with weights, and out of range") {
  const auto told = [](auto make) -> std::string {
    try {
      make();
    } catch (const invalid_input& e) {
      return e.what();
    }
    return "";
  };
  nn::model_sizes z;
  z.width = 8, z.vocabulary = 5, z.layer.heads = 2, z.layer.n = 4, z.layer.drop_weights = 0.1;
  const std::string in_no_form = "drop_weights: expected 0 in this layer: weights are dropped in form::parallel";
  CHECK(told([&] { nn::language_model<nn::linear_attention<>> model(z); }).find(in_no_form) != std::string::npos);
  CHECK(told([&] { nn::paper_ssm<nn::lru> model(z); }).find(in_no_form) != std::string::npos);
  for (const double p : {1.0, -0.5, std::nan("")}) {
    z.layer.drop_weights = p;
    CHECK(told([&] { nn::paper_transformer<nn::paper_attention<>> model(z); }).find("expected a probability from 0 to less than 1") !=
          std::string::npos);
  }
}
}  // namespace
