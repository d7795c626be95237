// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/nn/layers/delta_rule.hpp>
#include <coefdyn/nn/models/language_model.hpp>
#include <coefdyn/nn/models/paper_models.hpp>
#include <coefdyn/train/trainer.hpp>

#include "support/allocation_count.hpp"

// What an evaluation promises: it takes no memory for a batch, knows padding, and rows of a batch do not see each other.

namespace {
using namespace coefdyn;

nn::model_sizes small() {
  nn::model_sizes z;
  z.width = 16, z.vocabulary = 8, z.hidden = 24, z.layer.heads = 2;
  return z;
}
/// 200 samples of two vectors each. Notes how often anything else has been allocated, as sample 40 is asked for and the last.
struct counting_task {
  static constexpr std::string_view name = "counting";
  static constexpr tasks::labels labels = tasks::labels::one_a_token;
  static constexpr tasks::metric metric = tasks::metric::accuracy;
  long *made, *began, *ended;
  idx vocabulary() const { return 8; }
  idx outputs() const { return 8; }
  idx length() const { return 12; }
  idx size(tasks::split) const { return 200; }
  tasks::sample make(tasks::split, idx index) const {
    if (index == 40) *began = allocations - 2 * *made;
    if (index == 199) *ended = allocations - 2 * *made;
    ++*made;
    tasks::sample out{tasks::token_list(12), tasks::token_list(12)};
    for (std::size_t i = 0; i < 12; ++i) out.inputs[i] = out.targets[i] = (index + std::int64_t(i)) % 8;
    return out;
  }
};
/// Sequences of 1 to 9 tokens, and whether the first is even.
struct first_token {
  static constexpr std::string_view name = "first token";
  static constexpr tasks::labels labels = tasks::labels::one_a_sequence;
  static constexpr tasks::metric metric = tasks::metric::accuracy;
  idx vocabulary() const { return 8; }
  idx outputs() const { return 2; }
  idx length() const { return 9; }
  idx size(tasks::split) const { return 20; }
  tasks::sample make(tasks::split s, idx index) const {
    random_stream r(1, 1000, std::uint64_t(s), std::uint64_t(index));
    tasks::sample out;
    for (idx i = 0; i <= index % 9; ++i) out.inputs.push_back(std::int64_t(r.below(8)));
    out.targets = {out.inputs[0] % 2};
    return out;
  }
};

}  // namespace

TEST_CASE("a batch of an evaluation allocates nothing but the samples that the task makes") {
  long made = 0, from = -1, to = -2;
  train::trainer<nn::language_model<nn::gated_deltanet>> t(small(), {.batch = 4, .threads = 1});
  const tasks::score score = t.evaluate(counting_task{&made, &from, &to}, tasks::split::test);
  CHECK(score.counted() == 200 * 12);
  CHECK(from == to);
}

TEST_CASE("an evaluation knows which tokens are padding") {
  nn::model_sizes z = small();
  z.pooled = true, z.outputs = 2;
  const auto perplexity = [&](nn::pooled_over mean, idx batch) {
    z.mean = mean;
    train::trainer<nn::paper_mamba<nn::gated_deltanet>, double> t(z, {.batch = batch, .threads = 1});
    for (double& x : t.w("decoder.weight")) x *= 20;
    return t.evaluate(first_token{}, tasks::split::test).perplexity();
  };
  using enum nn::pooled_over;
  CHECK(perplexity(own_tokens, 1) == doctest::Approx(perplexity(own_tokens, 7)).epsilon(1e-12));
  CHECK(std::abs(perplexity(all_tokens, 1) - perplexity(all_tokens, 7)) > 1e-6);
}

TEST_CASE("a batch norm is evaluated by what training has left: sequences do not see each other") {
  const auto perplexity = [](idx batch) {
    nn::model_sizes z = small();
    z.pooled = true, z.outputs = 2;
    train::trainer<nn::paper_ssm<nn::gated_deltanet>, double> t(z, {.rate = {.steps = 12}, .batch = 4, .threads = 1});
    t.fit(first_token{});
    train::trainer<nn::paper_ssm<nn::gated_deltanet>, double> other(z, {.batch = batch, .threads = 1});
    other.w.copy_from(t.w);
    return other.evaluate(first_token{}, tasks::split::test).perplexity();
  };
  const double alone = perplexity(1);
  CHECK(perplexity(6) == doctest::Approx(alone).epsilon(1e-12));
}
