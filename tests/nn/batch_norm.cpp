// SPDX-License-Identifier: MIT
#include <coefdyn/nn/models/paper_models.hpp>
#include <coefdyn/train/adamw.hpp>

#include "law.hpp"
#include "small_layer.hpp"

// A batch norm's running numbers: what training leaves and an evaluation goes by.

namespace {
using namespace coefdyn;

constexpr idx C = 5;
struct normed {
  std::shared_ptr<nn::parameter_list> list = std::make_shared<nn::parameter_list>();
  nn::batch_norm_parameters norm;
  nn::weights<double> w, dw;
  nn::tape<double> t;
  train::adamw<double> adam;
  normed() : norm(nn::scope(*list).part("block"), "normalize", C), w(list), dw(list), t(w, &dw, 1), adam(w, {.decay = 0.3, .clip = 1e-3}) {
    w.initialise(1);
  }
  nn::value<double> run(const std::vector<double>& x, bool training) {
    t.begin(training ? std::optional(nn::dropout_draws{}) : std::nullopt);
    nn::value<double> in = t.make(1, idx(x.size()) / C, C);
    std::copy(x.begin(), x.end(), in.data);
    return nn::batch_norm(t, in, 1e-5, norm);
  }
};
double mean_of(const std::vector<double>& x, std::size_t c) {
  double sum = 0;
  for (std::size_t i = c; i < x.size(); i += C) sum += x[i];
  return sum * C / double(x.size());
}
double variance_of(const std::vector<double>& x, std::size_t c) {
  double sum = 0;
  for (std::size_t i = c; i < x.size(); i += C) sum += (x[i] - mean_of(x, c)) * (x[i] - mean_of(x, c));
  return sum * C / double(x.size());
}

TEST_CASE("running numbers keep 0.99 of themselves in a step, whatever rate, clip and decay are") {
  normed n;
  law::noise random(4);
  double mean[C] = {}, variance[C] = {1, 1, 1, 1, 1};
  for (int step = 0; step < 4; ++step) {
    auto x = random(C * (7 + step));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = 3 * x[i] + double(i % C);
    n.dw.clear();
    const auto y = n.run(x, true);
    std::fill_n(y.gradient, y.rows() * C, 1.0);
    n.t.backward();
    const double norm = n.adam.step(n.w, n.dw, 0.1, {openmp{1}});
    double square = 0;  // of the gradients alone
    for (const char* name : {"block.normalize.weight", "block.normalize.bias"})
      for (const double g : n.dw(name)) square += g * g;
    CHECK(norm == doctest::Approx(std::sqrt(square)));
    for (std::size_t c = 0; c < C; ++c) {
      mean[c] = 0.99 * mean[c] + 0.01 * mean_of(x, c), variance[c] = 0.99 * variance[c] + 0.01 * variance_of(x, c);
      CHECK(n.w("block.normalize.running_mean")[c] == doctest::Approx(mean[c]).epsilon(1e-13));
      CHECK(n.w("block.normalize.running_var")[c] == doctest::Approx(variance[c]).epsilon(1e-13));
    }
  }
}

TEST_CASE("an evaluation goes by the running numbers and moves none") {
  normed n;
  law::noise random(5);
  law::scramble(n.w, 6);
  const auto x = random(C * 3);
  const nn::weights<double> before = n.w;
  n.dw.clear();
  const auto y = n.run(x, false);
  const auto of = [&](const char* name, std::size_t c) { return n.w(std::string("block.normalize.") + name)[c]; };
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % C;
    const double want = (x[i] - of("running_mean", c)) / std::sqrt(of("running_var", c) + 1e-5) * of("weight", c) + of("bias", c);
    CHECK(y.data[i] == doctest::Approx(want).epsilon(1e-13));
  }
  n.t.backward();
  for (const char* name : {"block.normalize.running_mean", "block.normalize.running_var"})
    for (const double g : n.dw(name)) CHECK(g == 0);
  CHECK(std::equal(before.data(), before.data() + before.size(), n.w.data()));
}

TEST_CASE("gradients are slopes: a stack with batch norms, in training and in evaluation") {
  nn::model_sizes z;
  z.width = 8, z.layers = 2, z.vocabulary = 6;
  SUBCASE("evaluation") { law::gradients_are_slopes<nn::paper_ssm<law::small_layer>>(z, true); }
  SUBCASE("training") { law::gradients_are_slopes<nn::paper_ssm<law::small_layer>>(z, true, 7, nn::dropout_draws{1, 2}); }
  SUBCASE("training, norm after, pooled") {
    z.vocabulary = 0, z.outputs = 4, z.pooled = true, z.norm_first = false;
    law::gradients_are_slopes<nn::paper_ssm<law::small_layer>>(z, false, 7, nn::dropout_draws{1, 2});
  }
  SUBCASE("evaluation, norm after, pooled") {
    z.vocabulary = 0, z.outputs = 4, z.pooled = true, z.norm_first = false;
    law::gradients_are_slopes<nn::paper_ssm<law::small_layer>>(z, false);
  }
}

TEST_CASE("running numbers are no parameters: neither counted nor drawn for") {
  nn::model_sizes z;
  z.width = 8, z.layers = 1, z.vocabulary = 6;
  const nn::paper_ssm<law::small_layer> model(z);
  const auto& p = *model.parameters();
  idx trained = 0;
  for (const auto& e : p.entries()) {
    if (e.is_trained()) trained += e.place.size();
    else CHECK(e.name.starts_with("layers.0.normalize.running_"));
  }
  CHECK(p.count() == trained);
  CHECK(trained == 6 * 8 + 8 + 3 * (64 + 8) + 16 + 8 * 6 + 6);
  auto without = std::make_shared<nn::parameter_list>();  // a parameter's stream does not depend on them
  nn::weights<double> w(model.parameters());
  w.initialise(9);
  for (const auto& e : p.entries())
    if (e.is_trained()) without->add(e.name, e.shape, e.start, e.decays);
  nn::weights<double> alone(without);
  alone.initialise(9);
  for (const auto& e : without->entries()) CHECK(std::equal(alone(e.name).begin(), alone(e.name).end(), w(e.name).begin()));
}
}  // namespace
