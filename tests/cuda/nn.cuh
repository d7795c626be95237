// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>

#include "coefdyn/nn/cuda/linear.cuh"
#include "coefdyn/nn/models/model.hpp"
#include "coefdyn/train/adamw.hpp"
#include "law.cuh"

/// One law: a model gives the same numbers on a GPU in float32 as on the CPU in float64, from the same weights: logits, loss, all
/// gradients, and weights after 20 steps of AdamW; the same bits twice, in memory that was full of NaN. A model that decodes gives token by
/// token the logits of the whole.
namespace gpu_test {

struct batch_of_ids {
  idx rows, length, words;
  std::vector<std::int64_t> inputs, targets;
  batch_of_ids(idx rows_, idx length_, idx words_, idx targets_a_row) : rows(rows_), length(length_), words(words_) {
    random_stream r(3, 1, 4, 1);
    for (idx i = 0; i < rows * length; ++i) inputs.push_back(std::int64_t(r.below(std::uint64_t(words))));
    for (idx i = 0; i < rows * targets_a_row; ++i)
      targets.push_back(i % 5 == 3 ? nn::ignored : std::int64_t(r.below(std::uint64_t(words))));
  }
};

/// Sizes of a model of two layers.
inline nn::model_sizes sizes_of(idx width, idx vocabulary, int heads, int key_heads, idx hidden) {
  nn::model_sizes z;
  z.width = width, z.vocabulary = vocabulary, z.hidden = hidden, z.layers = 2, z.embedding_deviation = 0.5;
  z.layer.heads = heads, z.layer.key_heads = key_heads;
  return z;
}

/// The root mean square of a difference over that of the wanted numbers, at least `floor`.
template <class A, class B>
double relative_rms(const A* got, const B* want, idx count, double floor) {
  double difference = 0, size = 0;
  for (idx i = 0; i < count; ++i) {
    const double d = double(got[i]) - double(want[i]);
    difference += d * d, size += double(want[i]) * double(want[i]);
  }
  if (!(difference < INFINITY)) return INFINITY;
  return std::sqrt(difference) / std::fmax(std::sqrt(size), floor * std::sqrt(double(count)));
}

template <class R>
struct step_result {
  std::vector<R> logits;
  nn::weights<R> gradients;
  nn::score score;
};

/// A model with its weights, gradients and tape on one device.
template <class Model, class R, class On>
struct instance {
  const Model& model;
  nn::weights<R, On> w, dw;
  nn::tape<R, On> tape;
  instance(const Model& m, const On& on = {}) : model(m), w(m.parameters(), on), dw(w.parameters(), on), tape(w, &dw, on) {}
  void take(const nn::weights<double>& from) {
    nn::weights<R> host(from.parameters());
    for (idx i = 0; i < from.size(); ++i) host.data()[i] = R(from.data()[i]);
    w.copy_from(host);
  }
  nn::value<R> queue(const batch_of_ids& b, nn::pending_score<On>& pending) {
    dw.clear();
    tape.begin(nn::dropout_draws{7, 0});
    const nn::value<R> logits = model(tape, nn::token_ids{b.inputs.data(), b.rows, b.length});
    pending = nn::queue_cross_entropy(tape, logits, std::span<const std::int64_t>(b.targets));
    tape.backward();
    return logits;
  }
  step_result<R> step(const batch_of_ids& b) {
    nn::pending_score<On> pending;
    const nn::value<R> logits = queue(b, pending);
    step_result<R> out{std::vector<R>(std::size_t(logits.rows() * logits.columns)), nn::weights<R>(w.parameters()), pending.read(tape)};
    tape.read(logits.data, idx(out.logits.size()), out.logits.data());
    dw.copy_to(out.gradients);
    return out;
  }
  /// Weights after some steps of AdamW on one batch.
  nn::weights<R> train(const batch_of_ids& b, int steps, double rate) {
    train::adamw<R, On> adam(w, {});
    for (int i = 0; i < steps; ++i) {
      nn::pending_score<On> pending;
      queue(b, pending);
      adam.queue(w, dw, rate, tape.on);
    }
    expect_finite(adam.read(tape.on));
    nn::weights<R> out(w.parameters());
    w.copy_to(out);
    return out;
  }
  static void expect_finite(double norm) {
    if (!math::is_finite(norm)) ++total.failed, std::printf("    FAILED: the norm of the gradients is not finite\n");
  }
};

/// The largest distance of logits, tokens in pieces each after the past of those before it, from those of the whole sequence, over the
/// largest logit; twice, the second time with a past that was cleared.
template <class Model>
double distance_of_steps(const Model& model, const nn::weights<float, device::cuda>& w, const batch_of_ids& b) {
  nn::tape<float, device::cuda> tape(w);
  const auto logits_of = [&](const nn::value<float>& v) {
    std::vector<float> out(std::size_t(v.rows() * v.columns));
    tape.read(v.data, idx(out.size()), out.data());
    return out;
  };
  tape.begin();
  const std::vector<float> whole = logits_of(model(tape, nn::token_ids{b.inputs.data(), b.rows, b.length}));
  double worst = 0, size = 0;
  for (const float x : whole) size = std::fmax(size, std::fabs(x));
  const idx words = idx(whole.size()) / (b.rows * b.length);
  nn::past before(b.rows, b.length);
  for (int twice = 0; twice < 2; ++twice, before.clear())
    for (idx from = 0, count = 1; from < b.length; from += count) {
      count = std::min(b.length - from, from == 0 ? (b.length + 1) / 2 : from % 3 == 0 ? idx(2) : idx(1));
      std::vector<std::int64_t> some;
      for (idx r = 0; r < b.rows; ++r)
        some.insert(some.end(), b.inputs.begin() + r * b.length + from, b.inputs.begin() + r * b.length + from + count);
      const auto got = logits_of(model.step(tape, before, nn::token_ids{some.data(), b.rows, count}));
      for (idx r = 0; r < b.rows; ++r)
        for (idx i = 0; i < count * words; ++i) {
          const double d =
              std::fabs(double(got[std::size_t(r * count * words + i)]) - double(whole[std::size_t((r * b.length + from) * words + i)]));
          worst = d <= worst ? worst : d;  // NaN stays
        }
    }
  return worst / size;
}

struct nn_bars {
  double logits = 1e-5, gradients = 1e-4, after = 1e-3;
};
/// Prints one line a model.
template <class Model>
void devices_agree(const char* name, const Model& model, const batch_of_ids& b, const nn_bars& bars = {}) {
  bool good = true;
  const auto within = [&](double error, double limit, const std::string& what) {
    if (error <= limit) return;
    good = false;
    std::printf("    FAILED %s: %s: %.1e > %.0e\n", name, what.c_str(), error, limit);
  };
  nn::weights<double> start(model.parameters());
  start.initialise(5);
  random_stream r(2, 7, 1, 8);
  for (const auto& e : start.parameters()->entries())
    for (double& x : start(e.name)) x = double(float(x + 0.05 * r.normal()));  // no number is one that hides another's error

  instance<Model, double, device::cpu<openmp>> wanted(model);
  instance<Model, float, device::cuda> tested(model);
  nn::weights<double> spoiled(start);
  for (const auto& e : spoiled.parameters()->entries())
    for (double& x : spoiled(e.name)) x = NAN;
  tested.take(spoiled);
  tested.step(b);  // its memory is full of NaN
  wanted.take(start), tested.take(start);
  const auto want = wanted.step(b);
  const auto got = tested.step(b), again = tested.step(b);

  const double logits = relative_rms(got.logits.data(), want.logits.data(), idx(want.logits.size()), 1e-6);
  within(logits, bars.logits, "logits");
  within(std::fabs(got.score.loss - want.score.loss) / std::fabs(want.score.loss), bars.logits, "loss");
  within(double(got.score.counted != want.score.counted), 0, "counted");
  within(std::fabs(double(got.score.correct - want.score.correct)) / double(want.score.counted), 0.02, "correct");
  double largest = 0, worst = 0;
  for (const auto& e : start.parameters()->entries())
    for (const double x : want.gradients(e.name)) largest = std::fmax(largest, std::fabs(x));
  for (const auto& e : start.parameters()->entries()) {
    const double error = relative_rms(got.gradients(e.name).data(), want.gradients(e.name).data(), e.place.size(), 1e-3 * largest);
    worst = std::fmax(worst, error);
    within(error, bars.gradients, "gradient of " + e.name);
  }
  const bool same = std::memcmp(got.logits.data(), again.logits.data(), sizeof(float) * got.logits.size()) == 0 &&
                    std::memcmp(got.gradients.data(), again.gradients.data(), sizeof(float) * std::size_t(got.gradients.size())) == 0;
  within(double(!same), 0, "the same bits twice");

  if constexpr (requires(nn::past& p) { model.step(tested.tape, p, nn::token_ids{}); })
    within(distance_of_steps(model, tested.w, b), 3e-5, "a prompt, then token by token");
  const auto far = wanted.train(b, 20, 3e-3);
  const auto near = tested.train(b, 20, 3e-3);
  double moved = 0;
  for (const auto& e : start.parameters()->entries()) {
    const double error = relative_rms(near(e.name).data(), far(e.name).data(), e.place.size(), 1e-2);
    moved = std::fmax(moved, error);
    within(error, bars.after, "after 20 steps: " + e.name);
  }
  ++(good ? total.passed : total.failed);
  std::printf("  %-34s logits %.1e gradients %.1e after 20 steps %.1e loss %.6f (%lld right of %lld)\n", name, logits, worst, moved,
              got.score.loss, static_cast<long long>(got.score.correct), static_cast<long long>(got.score.counted));
}

/// With factors of projections in bf16: near the CPU's float64, not its equal, and the same bits twice.
template <class Model>
void bf16_is_near(const char* name, const Model& model, const batch_of_ids& b) {
  nn::weights<double> start(model.parameters());
  start.initialise(5);
  instance<Model, double, device::cpu<openmp>> wanted(model);
  instance<Model, float, device::cuda> tested(model);
  tested.tape.products().bf16_factors = true;
  wanted.take(start), tested.take(start);
  const auto want = wanted.step(b);
  const auto got = tested.step(b), again = tested.step(b);
  const double logits = relative_rms(got.logits.data(), want.logits.data(), idx(want.logits.size()), 1e-6);
  const double gradients = relative_rms(got.gradients.data(), want.gradients.data(), want.gradients.size(), 1e-9);
  const bool same = std::memcmp(got.gradients.data(), again.gradients.data(), sizeof(float) * std::size_t(got.gradients.size())) == 0;
  const bool good = logits <= 2e-2 && gradients <= 4e-2 && logits > 1e-4 && same;
  ++(good ? total.passed : total.failed);
  std::printf("  %-34s logits %.1e gradients %.1e%s\n", name, logits, gradients, good ? "" : " FAILED");
}

}  // namespace gpu_test
