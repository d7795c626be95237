// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/evolution/parameterised.hpp>
#include <coefdyn/nn/layers/state_space.hpp>
#include <coefdyn/nn/models/language_model.hpp>
#include <coefdyn/scaling/step.hpp>
#include <coefdyn/train/adamw.hpp>
#include <coefdyn/train/schedule.hpp>

#include "law.hpp"
#include "support/allocations.hpp"

namespace {
using namespace coefdyn;

// ---- a mixer without a name, with a policy and a stream that the library does not know ------------------------------------
/// How fast a channel forgets: a stream of this test's own.
struct haste {
  static constexpr owner belongs_to = owner::state;
  static constexpr precision held_in = precision::gate;
  static constexpr const char* name = "haste";
  template <class V>
  struct field {
    V haste;
  };
};
/// lambda = 1 / (1 + haste^2) per channel.
struct hasty {
  using streams = list<per_channel<haste>>;
  static constexpr structure_of structure{.decay = decaying::channel};
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at, int c) {
    return -math::log1p(at.haste[c] * at.haste[c]);
  }
};
using unnamed = mixer<readout::linear, hasty, scaling::inverse_sqrt_dim, normalization::one>;

nn::model_sizes recall_sizes() {
  nn::model_sizes z;
  z.width = 16, z.layers = 1, z.vocabulary = 8, z.hidden = 16, z.layer.heads = 2;
  return z;
}
/// Sequences in which the next token is the one before this one: 4 tokens repeat with period 2.
struct batch {
  static constexpr idx B = 8, T = 12;
  std::vector<std::int64_t> ids, labels;
  explicit batch(std::uint64_t seed) {
    for (idx b = 0; b < B; ++b) {
      random_stream r(seed, 1, 0, std::uint64_t(b));
      const std::int64_t pair[] = {std::int64_t(r.below(8)), std::int64_t(r.below(8))};
      for (idx t = 0; t < T; ++t) ids.push_back(pair[t % 2]), labels.push_back(t < 1 ? nn::ignored : pair[(t + 1) % 2]);
    }
  }
  nn::token_ids tokens_in() const { return {ids.data(), B, T}; }
};
template <class M, class R>
struct training {
  M model;
  nn::weights<R> w, dw;
  nn::tape<R> tape;
  train::adamw<R> optimiser;
  training(const nn::model_sizes& z, int threads)
      : model(z), w(model.parameters()), dw(model.parameters()), tape(w, &dw, threads), optimiser(w, {}) {
    w.initialise(3);
  }
  nn::score step(const batch& b, double rate) {
    dw.clear();
    tape.begin();
    const nn::score s = nn::cross_entropy<R>(tape, model(tape, b.tokens_in()), b.labels);
    tape.backward();
    optimiser.step(w, dw, rate, tape.on);
    return s;
  }
};
using recall = training<nn::language_model<nn::layer<unnamed>>, float>;

TEST_CASE("a layer of a mixer that has no name, with a stream of the user's, trains") {
  recall t(recall_sizes(), 1);
  REQUIRE(t.model.parameters()->find("layers.0.attn.haste_proj.weight"));
  const train::schedule rate{.rate = 1e-2, .least = 1e-3, .warmup = 10, .steps = 120};
  const nn::score first = t.step(batch(0), 0);
  nn::score last;
  for (long s = 0; s < rate.steps; ++s) last = t.step(batch(std::uint64_t(s)), rate(s));
  CHECK(first.counted == batch::B * (batch::T - 1));
  CHECK(first.loss == doctest::Approx(std::log(8.0)).epsilon(0.05));
  CHECK(last.loss < 0.3);
  CHECK(double(last.correct) > 0.9 * double(last.counted));
}

TEST_CASE("a step allocates nothing after the first, and takes the bytes that it took") {
  recall t(recall_sizes(), 1);
  const batch b(1);
  t.step(b, 1e-3);
  const std::size_t bytes = t.tape.bytes();
  const long before = allocations;
  t.step(b, 1e-3);
  CHECK(allocations == before);
  CHECK(t.tape.bytes() == bytes);
}

TEST_CASE("gradients of activations that are dropped leave those of weights, and zeros for the next step") {
  for (const bool recompute : {false, true}) {
    nn::model_sizes z = recall_sizes();
    z.layers = 3, z.recompute = recompute;
    recall t(z, 1);
    const batch b(1);
    const auto gradients = [&](nn::tape<float>& tape, nn::activation_gradients after) {
      t.dw.clear();
      tape.begin();
      nn::cross_entropy(tape, t.model(tape, b.tokens_in()), b.labels);
      tape.backward(after);
      return std::vector<float>(t.dw.data(), t.dw.data() + t.dw.size());
    };
    nn::tape<float> keeps(t.w, &t.dw, 1), drops(t.w, &t.dw, 2);
    const auto kept = gradients(keeps, nn::activation_gradients::kept);
    CHECK(gradients(drops, nn::activation_gradients::dropped) == kept);
    CHECK(gradients(drops, nn::activation_gradients::dropped) == kept);
    drops.begin();  // a step that never goes back
    for (const idx columns : {3, 700, 600000}) {
      const nn::value<float> x = drops.make(1, 1, columns);
      std::fill_n(x.gradient, columns, float(NAN));
    }
    CHECK(gradients(drops, nn::activation_gradients::dropped) == kept);
    CHECK(gradients(drops, nn::activation_gradients::kept) == kept);
    CHECK(gradients(drops, nn::activation_gradients::dropped) == kept);
  }
}

TEST_CASE("a tape shows the tokens of every layer's mixer, and of no other type") {
  nn::model_sizes z = recall_sizes();
  z.layers = 3;
  recall t(z, 1);
  const batch b(1);
  nn::tape<float> seen(t.w, nullptr, 1);
  const auto pass = [&] { seen.begin(), t.model(seen, b.tokens_in()); };
  std::vector<float> first_decays;
  using shown = tokens<unnamed, float>;
  seen.watch<shown>([&](const shown& x) {
    const extents e = check(x);
    CHECK(e.batch == batch::B);
    CHECK(e.time == batch::T);
    CHECK(e.readers == 2);
    first_decays.push_back(x.haste(1, 2, 1, 3));
  });
  pass();
  CHECK(first_decays.size() == 3);
  CHECK(first_decays[0] != first_decays[1]);
  seen.watch<tokens<mixers::mamba2, float>>([&](const auto&) { CHECK(false); });
  pass();
  seen.watch<shown>({});
  pass();
  CHECK(first_decays.size() == 3);
}

TEST_CASE("the same bits for any number of threads, and from run to run") {
  recall one(recall_sizes(), 1), two(recall_sizes(), 2), again(recall_sizes(), 2);
  for (std::uint64_t s = 0; s < 5; ++s) {
    const batch b(s);
    const double loss = one.step(b, 1e-2).loss;
    CHECK(two.step(b, 1e-2).loss == loss);
    CHECK(again.step(b, 1e-2).loss == loss);
  }
  CHECK(std::equal(one.w.data(), one.w.data() + one.w.size(), two.w.data()));
}

// ---- raw streams: the default sources of a parameterised mixer are the layer's that computes its gates ahead ----------------
using raw_ssd = mixer<readout::linear, evolution::parameterised<evolution::scalar, parameterisation::mamba2>,
                      scaling::step<parameterisation::mamba2>, normalization::one>;
using ahead = nn::layer<mixers::mamba2, nn::give<stream::q, nn::projection<"q_proj">>,
                        nn::give<stream::delta, nn::mapped<nn::range::step_by<parameterisation::mamba2>, nn::projection<"raw_proj">,
                                                           nn::number<"dt_bias", nn::per::head, nn::starts::step>>>,
                        nn::give<stream::log_decay, nn::mapped<nn::range::decay_by<parameterisation::mamba2>, nn::projection<"raw_proj">,
                                                               nn::number<"dt_bias", nn::per::head, nn::starts::step>,
                                                               nn::number<"A_log", nn::per::head, nn::starts::rate>>>>;
template <class L>
std::vector<double> gradients_of() {
  const auto list = std::make_shared<nn::parameter_list>();
  const L layer(nn::scope(*list), law::sizes_of(8, 2));
  nn::weights<double> w(list), dw(list);
  w.initialise(4);
  nn::tape<double> t(w, &dw, 1);
  t.begin();
  const auto u = law::noise(5)(2 * 7 * 8);
  nn::across_layers<double> across;
  const auto o = layer(t, nn::input_of<double>(u.data(), 2, 7, 8), across);
  std::fill_n(o.gradient, 2 * 7 * 8, 1.0);
  t.backward();
  std::vector<double> all(o.data, o.data + 2 * 7 * 8);
  for (const char* name : {"q_proj.weight", "raw_proj.weight", "A_log", "dt_bias", "o_proj.weight"})
    for (const double g : dw(name)) all.push_back(g);
  return all;
}
TEST_CASE("raw streams through the mixer's own dual numbers, and gates computed ahead of it: one layer") {
  const auto a = gradients_of<nn::layer<raw_ssd>>(), b = gradients_of<ahead>();
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  CHECK(worst < 1e-13);
}
}  // namespace
