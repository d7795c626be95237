// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/nn/layers/delta_rule.hpp>
#include <coefdyn/nn/models/language_model.hpp>
#include <coefdyn/tasks/in_context_recall.hpp>
#include <coefdyn/train/trainer.hpp>
#include <functional>
#include <limits>

#include "support/reduced.hpp"

// What a trainer promises. Two layers of the gated delta rule, whose short convolutions make recall easy.

namespace {
using namespace coefdyn;
using model = nn::language_model<nn::gated_deltanet>;
using learner = train::trainer<model>;

nn::model_sizes sizes(idx vocabulary, idx width = 32) {
  nn::model_sizes z;
  z.width = width, z.vocabulary = vocabulary, z.hidden = 2 * width, z.layer.heads = 2;
  return z;
}
const tasks::in_context_recall small({.vocabulary = 8, .length = 16, .train = 70, .test = 9});

train::settings few(long steps) { return {.rate = {.rate = 2e-3, .least = 1e-3, .warmup = 2, .steps = steps}, .batch = 16, .threads = 1}; }
template <class R>
bool same(const nn::weights<R>& a, const nn::weights<R>& b) {
  return a.size() == b.size() && std::equal(a.data(), a.data() + a.size(), b.data());
}
}  // namespace

TEST_CASE("training learns recall") {
  if (laws::reduced()) return;
  const tasks::in_context_recall task({.length = 32, .train = 3200, .test = 256});
  const train::settings s{.rate = {.rate = 3e-3, .least = 3e-3, .steps = 400}, .evaluate_every = 50, .enough = 0.95, .threads = 1};
  learner t(sizes(task.vocabulary()), s);
  CHECK(t.evaluate(task, tasks::split::test).accuracy() < 0.3);  // 1/8 by chance
  const train::outcome out = t.fit(task);
  CHECK(out.stopped == "accuracy reached");
  CHECK(out.accuracy >= 0.95);
  CHECK(out.macro_accuracy > 0.9);
}

TEST_CASE("the same bits for any number of threads, also across epochs") {
  train::settings s = few(11);  // 5 batches an epoch, the last one shorter
  learner one(sizes(8), s);
  s.threads = 2;
  learner two(sizes(8), s);
  const train::outcome a = one.fit(small), b = two.fit(small);
  CHECK(a.steps == 11);
  CHECK(a.stopped.empty());
  CHECK(a.loss == b.loss);
  CHECK(a.accuracy == b.accuracy);
  CHECK(same(one.w, two.w));
}

TEST_CASE("what is stopped and goes on ends at the same bits") {
  learner whole(sizes(8), few(9)), parts(sizes(8), few(9));
  whole.fit(small);
  const train::outcome half = parts.fit(small, [](const train::progress& p) { return p.step < 4; });
  CHECK(half.steps == 4);
  CHECK(half.stopped == "asked to stop");
  CHECK_FALSE(same(whole.w, parts.w));
  CHECK(parts.fit(small).steps == 9);
  CHECK(same(whole.w, parts.w));
}

TEST_CASE("two batches of one size a step are one batch of twice the size, to rounding") {
  const tasks::in_context_recall even({.vocabulary = 8, .length = 16, .train = 64, .test = 8});
  train::settings s = few(2);
  s.optimiser.eps = 1e-2, s.optimiser.clip = 0;  // so that an update depends on the gradients' size
  s.batch = 32;
  train::trainer<model, double> whole(sizes(8), s);
  s.batch = 16, s.accumulate = 2;
  train::trainer<model, double> halves(sizes(8), s);
  whole.fit(even), halves.fit(even);
  double worst = 0;
  for (idx i = 0; i < whole.w.size(); ++i) worst = std::max(worst, std::abs(whole.w.data()[i] - halves.w.data()[i]));
  CHECK(worst < 1e-9);
}

TEST_CASE("a number that is none stops the training, is named, and leaves the weights as they were") {
  learner t(sizes(8), few(5));
  t.w("layers.1.attn.q_proj.weight")[3] = std::numeric_limits<float>::quiet_NaN();
  const nn::weights<float> before = t.w;
  const train::outcome out = t.fit(small);
  CHECK(out.steps == 0);
  CHECK(out.stopped == "step 0, batch 0: the loss is not finite, first in layers.1.attn.q_proj.weight");
  bool kept = true;
  for (idx i = 0; i < before.size(); ++i) kept = kept && (before.data()[i] == t.w.data()[i] || !math::is_finite(before.data()[i]));
  CHECK(kept);
}

/// Losses as they were reported, after which steps, and how it ended.
struct told {
  std::vector<double> losses;
  std::vector<long> after;
  train::outcome out;
  nn::weights<float> w;
};
told training_of(const train::settings& s, const std::function<bool(const train::progress&)>& go_on = {}) {
  learner t(sizes(8), s);
  std::vector<double> losses;
  std::vector<long> after;
  const train::outcome out = t.fit(small, [&](const train::progress& p) {
    losses.insert(losses.end(), p.losses.begin(), p.losses.end()), after.push_back(p.step);
    CHECK(p.loss == losses.back());
    CHECK(long(losses.size()) == p.step);
    return !go_on || go_on(p);
  });
  return {losses, after, out, t.w};
}
TEST_CASE("losses reported every few steps are those of each step, with the same bits") {
  for (const int batches : {1, 2}) {
    train::settings s = few(11);
    s.evaluate_every = 5, s.accumulate = batches;
    const told each = training_of(s);
    CHECK(each.after.size() == 11);
    s.report_every = 4;
    const told some = training_of(s);
    CHECK(some.after == std::vector<long>{4, 5, 8, 10, 11});
    CHECK(some.losses == each.losses);
    CHECK(some.out.loss == each.out.loss);
    CHECK(some.out.accuracy == each.out.accuracy);
    CHECK(same(some.w, each.w));
    const told stopped = training_of(s, [](const train::progress& p) { return p.step < 6; });
    CHECK(stopped.out.steps == 8);
    CHECK(stopped.out.stopped == "asked to stop");
  }
}
TEST_CASE("a number that is none is found in its step where losses are read later, and later steps change nothing") {
  for (const int batches : {1, 2}) {
    train::settings s = few(19);
    s.rate = {.rate = 1e30, .least = 1e30, .warmup = 3, .steps = 19}, s.accumulate = batches;
    const told each = training_of(s);
    CAPTURE(each.out.stopped);
    REQUIRE(each.out.stopped.find("is not finite, first in ") != std::string::npos);
    REQUIRE(each.out.steps > 0);
    for (const long every : {2, 7, 19}) {
      s.report_every = every;
      const told some = training_of(s);
      CHECK(some.out.stopped == each.out.stopped);
      CHECK(some.out.steps == each.out.steps);
      CHECK(some.losses == each.losses);
      CHECK(same(some.w, each.w));
    }
  }
}

TEST_CASE("a loss that is none stops AdamW as a gradient does") {
  const model m(sizes(8));
  nn::weights<float> w(m.parameters()), dw(m.parameters());
  w.initialise(1);
  const nn::weights<float> before = w;
  std::fill_n(dw.data(), dw.size(), 0.1f);
  train::adamw<float> adam(w, {});
  const double bad[] = {INFINITY, 1, 2}, good[] = {0.5, 1, 2};
  const auto numbers = adam.numbers(1e-2);
  adam.queue(w, dw, &numbers, w.on, bad), adam.count_step();
  adam.queue(w, dw, &numbers, w.on, good), adam.count_step();
  const auto stopped = adam.last(w.on);
  CHECK(math::is_finite(stopped.norm));
  CHECK_FALSE(math::is_finite(stopped.score.loss));
  CHECK(adam.steps() == 0);
  CHECK(same(w, before));
  adam.queue(w, dw, &numbers, w.on, good), adam.count_step();
  CHECK(adam.last(w.on).score.loss == 0.5);
  CHECK(adam.steps() == 1);
  CHECK_FALSE(same(w, before));
}

TEST_CASE("AdamW leaves weights and moments alone where a gradient is none") {
  const model m(sizes(8));
  nn::weights<float> w(m.parameters()), dw(m.parameters());
  w.initialise(1);
  train::adamw<float> touched(w, {}), plain(w, {});
  nn::weights<float> same_start = w;
  dw("lm_head.weight")[5] = std::numeric_limits<float>::infinity();
  CHECK_FALSE(math::is_finite(touched.step(w, dw, 1e-2)));
  CHECK(touched.steps() == 0);
  CHECK(same(w, same_start));
  std::fill_n(dw.data(), dw.size(), 0.1f);
  touched.step(w, dw, 1e-2), plain.step(same_start, dw, 1e-2);
  CHECK(touched.steps() == 1);
  CHECK(same(w, same_start));
}

TEST_CASE("settings out of range are refused by name") {
  train::settings s = few(3);
  s.batch = 0;
  CHECK_THROWS_WITH_AS(learner(sizes(8), s), "coefdyn: batch: expected at least 1, given 0", invalid_input);
  s.batch = 1, s.report_every = 0;
  CHECK_THROWS_WITH_AS(learner(sizes(8), s), "coefdyn: report_every: expected at least 1, given 0", invalid_input);
  s.report_every = 1, s.recorded = true;
  CHECK_THROWS_WITH_AS(learner(sizes(8), s), "coefdyn: recorded: expected a GPU, which runs recorded steps, given the CPU", invalid_input);
  s.recorded = false, s.bf16 = true;
  CHECK_THROWS_WITH_AS(learner(sizes(8), s), "coefdyn: bf16: expected a GPU and weights in float, given another training", invalid_input);
}
