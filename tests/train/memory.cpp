// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <atomic>
#include <coefdyn/nn/layers/attention.hpp>
#include <coefdyn/nn/layers/delta_rule.hpp>
#include <coefdyn/nn/layers/rwkv.hpp>
#include <coefdyn/nn/models/autoencoder.hpp>
#include <coefdyn/nn/models/language_model.hpp>
#include <coefdyn/nn/models/paper_models.hpp>
#include <coefdyn/tasks/in_context_recall.hpp>
#include <coefdyn/train/trainer.hpp>

#include "support/allocations.hpp"

// The memory of a step is what trainer's page says: the columns of all activations, twice, and what operations keep beside them.

namespace {
using namespace coefdyn;

/// Columns that a layer's operations make, and those they keep beside.
struct columns {
  idx made = 0, kept = 0;
};
columns of_attention(const nn::sizes& z) { return {z.heads * z.n + z.key_heads * (z.n + z.d) + z.heads * z.d + z.width, 0}; }
columns of_gated_deltanet(const nn::sizes& z) {
  const idx K = idx(z.key_heads) * z.n, V = idx(z.heads) * z.d;
  return {2 * 3 * K + 2 * V + 4 * z.heads + 4 * V + z.width, 2 * K + V + 4 * z.key_heads + 2 * z.heads};
}

/// The formula.
template <class R>
idx bytes_of(const nn::model_sizes& z, idx rows, const columns& layer) {
  const idx D = z.width, block = 4 * D + 3 * z.hidden + layer.made;  // without its result
  const idx blocks = z.recompute ? 1 : z.layers;                     // whose activations are there at once
  const idx results = D + z.layers * D, own = blocks * (block + z.recompute * D), behind = D + z.vocabulary;
  const idx gradients = z.recompute ? std::max(own, behind) : own + behind;  // dropped before a block is made again
  const idx made = results + own + behind, kept = 2 + blocks * (4 + layer.kept);
  return idx(sizeof(R)) * rows * (made + results + gradients + kept) + 24 * rows + 8 * (z.vocabulary + std::min(z.vocabulary, rows));
}
template <class Layer, class R>
void check_bytes(const nn::model_sizes& z, columns (*of)(const nn::sizes&)) {
  for (const idx length : {16, 128}) {
    const tasks::in_context_recall task({.vocabulary = z.vocabulary, .length = length + 1, .train = 8, .test = 1});
    train::trainer<nn::language_model<Layer>, R> t(z, {.rate = {.steps = 2}, .batch = 4, .threads = 1});
    t.fit(task);
    const idx formula = bytes_of<R>(z, 4 * task.length(), of(z.layer_sizes(0).complete()));
    CAPTURE(length);
    CHECK(idx(t.step_bytes()) >= formula);
    CHECK(idx(t.step_bytes()) - formula < 65536);  // records, and rounding to 64
  }
}
/// Copies of the same tokens, which says how many samples it has made: two vectors each.
struct counting_task {
  static constexpr std::string_view name = "counting";
  static constexpr tasks::labels labels = tasks::labels::one_a_token;
  static constexpr tasks::metric metric = tasks::metric::accuracy;
  std::atomic<long>* made;
  idx vocabulary() const { return 8; }
  idx outputs() const { return 8; }
  idx length() const { return 12; }
  idx size(tasks::split s) const { return s == tasks::split::train ? 400 : 4; }
  tasks::sample make(tasks::split, idx index) const {
    ++*made;
    tasks::sample out{tasks::token_list(12), tasks::token_list(12)};
    for (std::size_t i = 0; i < 12; ++i) out.inputs[i] = out.targets[i] = (index + std::int64_t(i)) % 8;
    return out;
  }
};
}  // namespace

TEST_CASE("a step allocates nothing but the samples that the task makes") {
  std::atomic<long> made = 0;
  nn::model_sizes z;
  z.width = 16, z.vocabulary = 8, z.hidden = 24, z.layer.heads = 2, z.dropout = 0.1;
  train::trainer<nn::paper_transformer<nn::paper_attention<>>> t(z, {.rate = {.steps = 80}, .batch = 4, .threads = 1});
  long from = 0, to = 0;
  t.fit(counting_task{&made}, [&](const train::progress& p) {  // within an epoch of 100 steps
    if (p.step == 20) from = allocations - 2 * made;
    if (p.step == 80) to = allocations - 2 * made;
  });
  CHECK(std::abs(to - from) <= 2);  // a sample may be half made
}

TEST_CASE("the bytes of a step are those of the formula") {
  nn::model_sizes z;
  z.width = 32, z.vocabulary = 20, z.hidden = 40, z.layers = 3, z.layer.heads = 4, z.layer.key_heads = 2;
  check_bytes<nn::attention<>, float>(z, of_attention);
  check_bytes<nn::attention<>, double>(z, of_attention);
  z.layer.d = 16;
  check_bytes<nn::gated_deltanet, float>(z, of_gated_deltanet);
  z.recompute = true;
  check_bytes<nn::gated_deltanet, float>(z, of_gated_deltanet);
}

TEST_CASE("blocks that are made again by backward give the same bits, dropout included") {
  const tasks::in_context_recall task({.vocabulary = 8, .length = 16, .train = 48, .test = 8});
  nn::model_sizes z;
  z.width = 16, z.vocabulary = 8, z.hidden = 24, z.layers = 3, z.layer.heads = 2;
  const auto same = [&]<class Model>(std::type_identity<Model>) {
    const train::settings s{.rate = {.steps = 5}, .batch = 16, .threads = 1};
    z.recompute = false;
    train::trainer<Model> kept(z, s);
    z.recompute = true;
    train::trainer<Model> again(z, s);
    kept.fit(task), again.fit(task);
    CHECK(std::equal(kept.w.data(), kept.w.data() + kept.w.size(), again.w.data()));
    CHECK(again.step_bytes() < kept.step_bytes());
  };
  same(std::type_identity<nn::language_model<nn::linear_attention<>>>{});
  same(std::type_identity<nn::autoencoder<nn::linear_attention<>>>{});
  z.dropout = 0.3;
  same(std::type_identity<nn::paper_transformer<nn::paper_attention<>>>{});
  same(std::type_identity<nn::paper_mamba<nn::linear_attention<>>>{});
  same(std::type_identity<nn::paper_ssm<nn::linear_attention<>>>{});
}

TEST_CASE("layers that hand values to the next are not recomputed") {
  nn::model_sizes z;
  z.width = 16, z.vocabulary = 8, z.layer.heads = 2, z.recompute = true;
  const tasks::in_context_recall task({.vocabulary = 8, .length = 16, .train = 16, .test = 8});
  train::trainer<nn::language_model<nn::rwkv7>> t(z, {.rate = {.steps = 1}, .batch = 16, .threads = 1});
  CHECK_THROWS_WITH_AS(t.fit(task), "coefdyn: recompute: expected layers that hand nothing to the next, given one whose values others take",
                       invalid_input);
}
