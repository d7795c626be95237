// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/nn/layers/attention.hpp>
#include <coefdyn/nn/layers/complex_state_space.hpp>
#include <coefdyn/nn/layers/delta_rule.hpp>
#include <coefdyn/nn/models/language_model.hpp>
#include <coefdyn/nn/models/paper_models.hpp>
#include <coefdyn/train/slices.hpp>
#include <cstring>
#include <random>
#include <vector>

// A batch in slices gives what the whole batch gives, and the same bits for any number of threads.

namespace {
using namespace coefdyn;

constexpr idx rows = 11, length = 9, words = 13;  // eleven slices in eight lanes
const nn::dropout_draws draws{5, 77};

nn::model_sizes sizes(double dropout, double of_weights = 0) {
  nn::model_sizes z;
  z.width = 8, z.vocabulary = words, z.hidden = 12, z.layer.heads = 2, z.dropout = dropout, z.layer.drop_weights = of_weights;
  return z;
}
struct data {
  std::vector<std::int64_t> ids, labels;
  std::vector<idx> lengths;
  data() {
    std::mt19937_64 random(std::random_device{}());
    for (idx i = 0; i < rows * length; ++i) {
      ids.push_back(std::int64_t(random() % words));
      labels.push_back(random() % 3 == 0 ? ignored : std::int64_t(random() % words));
    }
    labels.front() = labels.back() = 1;
    for (idx b = 0; b < rows; ++b) lengths.push_back(1 + idx(random() % length));
  }
  nn::token_ids tokens() const { return {ids.data(), rows, length, lengths.data()}; }
};

template <class Model>
void same_as_whole(const nn::model_sizes& z) {
  const Model model(z);
  nn::weights<double> w(model.parameters()), whole(model.parameters()), sliced(model.parameters()), again(model.parameters());
  w.initialise(3);
  const data d;
  const auto labels = std::span<const std::int64_t>(d.labels).first(z.pooled ? rows : rows * length);
  whole.clear(), sliced.clear(), again.clear();
  nn::tape<double> t(w, &whole);
  t.begin(draws);
  const nn::score one = nn::cross_entropy(t, model(t, d.tokens()), labels);
  t.backward();

  train::sliced_batch<Model, double> slices(model, w);
  const idx together = slices.sequences(rows, length);
  REQUIRE(together == 1);
  const nn::score two = slices(d.tokens(), labels, together, draws, sliced, {openmp{1}});
  CHECK(std::abs(one.loss - two.loss) < 1e-12);
  CHECK(one.correct == two.correct);
  CHECK(one.counted == two.counted);
  double scale = 0, apart = 0;
  for (idx i = 0; i < w.size(); ++i)
    scale = std::max(scale, std::abs(whole.data()[i])), apart = std::max(apart, std::abs(whole.data()[i] - sliced.data()[i]));
  CHECK(scale > 1e-3);
  CHECK(apart < 1e-12 * std::max(1.0, scale));
  const nn::score three = slices(d.tokens(), labels, together, draws, again, {openmp{3}});
  CHECK(three.loss == two.loss);
  CHECK(std::memcmp(again.data(), sliced.data(), sizeof(double) * std::size_t(w.size())) == 0);
  CHECK(slices.bytes() > 0);
  slices(d.tokens(), labels, together, draws, again, {openmp{2}});  // adds
  double doubled = 0;
  for (idx i = 0; i < w.size(); ++i) doubled = std::max(doubled, std::abs(again.data()[i] - 2 * sliced.data()[i]));
  CHECK(doubled < 1e-12 * std::max(1.0, scale));
}
}  // namespace

TEST_CASE("slices of a batch: gradients and score of the whole batch, dropout's draws included") {
  same_as_whole<nn::language_model<nn::gated_deltanet>>(sizes(0));
  same_as_whole<nn::paper_transformer<nn::paper_attention<>>>(sizes(0.3, 0.2));
}

TEST_CASE("slices of a batch: each knows where its sequences' padding begins") {
  nn::model_sizes z = sizes(0);
  z.pooled = true, z.head = 6, z.mean = nn::pooled_over::own_tokens;
  same_as_whole<nn::paper_transformer<nn::paper_attention<>>>(z);
}

TEST_CASE("slices of a batch: their size depends on extents and parameters alone") {
  static_assert(train::sequences_of_slice(32, 128, 330000) == 1);
  static_assert(train::sequences_of_slice(32, 16, 330000) == 0);  // six sequences of 16 tokens: six slices
  static_assert(train::sequences_of_slice(64, 16, 330000) == 6);
  static_assert(train::sequences_of_slice(7, 128, 10) == 0);
  static_assert(train::sequences_of_slice(8, 128, 10) == 1);
  static_assert(train::sequences_of_slice(32, 0, 10) == 1);
}

TEST_CASE("slices of a batch: a batch norm keeps it whole, and refuses a part") {
  using model = nn::paper_ssm<nn::lru>;
  nn::model_sizes z = sizes(0);
  z.hidden = 0, z.layer.n = 4;
  const model m(z);
  nn::weights<double> w(m.parameters()), dw(m.parameters());
  w.initialise(1);
  train::sliced_batch<model, double> slices(m, w);
  CHECK(slices.sequences(64, 128) == 0);
  const data d;
  CHECK_THROWS_WITH_AS(slices(d.tokens(), d.labels, 1, draws, dw, {}), doctest::Contains("mixes_sequences"), invalid_input);
}

TEST_CASE("slices of a batch: what a slice refuses is refused for the batch") {
  using model = nn::language_model<nn::gated_deltanet>;
  const model m(sizes(0));
  nn::weights<double> w(m.parameters()), dw(m.parameters());
  w.initialise(1);
  train::sliced_batch<model, double> slices(m, w);
  data d;
  d.ids[60] = words;
  CHECK_THROWS_AS(slices(d.tokens(), d.labels, 1, draws, dw, {openmp{2}}), invalid_input);
  d.ids[60] = 0;
  CHECK_THROWS_WITH_AS(slices(d.tokens(), std::span(d.labels).first(rows * length - 1), 1, draws, dw, {}), doctest::Contains("labels"),
                       invalid_input);
  CHECK_NOTHROW(slices(d.tokens(), d.labels, 1, draws, dw, {openmp{2}}));
}
