// SPDX-License-Identifier: MIT
// Above 300 lines: one class, and a page on a step's memory before it.
#pragma once
#include <algorithm>
#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "../core/floating.hpp"
#include "../nn/embedding.hpp"
#include "../nn/loss.hpp"
#include "../tasks/loader.hpp"
#include "../tasks/score.hpp"
#include "adamw.hpp"
#include "schedule.hpp"
#include "slices.hpp"

/// From a model and a task to a trained model.
namespace coefdyn::train {

/// How a training goes.
struct settings {
  schedule rate{.rate = 2e-3, .least = 2e-4, .warmup = 0, .steps = 1000};  // its steps are those of the training
  adamw_settings optimiser{};
  idx batch = 32;           // samples at once
  int accumulate = 1;       // batches a step, whose gradients are averaged
  long evaluate_every = 0;  // steps; 0: after the last alone
  long report_every = 1;    // steps; a GPU is waited for where losses are reported alone; changes no bit
  double enough = 2;        // accuracy of an evaluation that ends the training; above 1: none does
  std::uint64_t seed = 1;   // of the start, the order of samples and dropout
  int threads = 0;          // 0: all; changes no bit
  bool bf16 = false;        // on a GPU in float: projections round their factors to bf16; sums, activations and weights stay float
  bool recorded = false;    // a GPU runs steps of one shape as a CUDA graph from the second on; changes no bit
};

/// The settings, or a refusal.
/// error   invalid_input for numbers out of range
inline const settings& check(const settings& s) {
  const idx numbers[] = {s.rate.steps, s.batch, s.accumulate};
  const char* const names[] = {"steps", "batch", "accumulate"};
  for (int i = 0; i < 3; ++i)
    if (numbers[i] < 1) COEFDYN_THROW invalid_input(names[i], "at least 1", std::to_string(numbers[i]));
  if (s.report_every < 1) COEFDYN_THROW invalid_input("report_every", "at least 1", std::to_string(s.report_every));
  if (s.evaluate_every < 0) COEFDYN_THROW invalid_input("evaluate_every", "0 or more steps", std::to_string(s.evaluate_every));
  return s;
}
/// How far a training is, after a step.
struct progress {
  long step = 0, steps = 0;  // done, and to be done
  double loss = 0;           // of the step's batches
  double accuracy = -1;      // of the last evaluation; below 0: none yet
  double tokens_per_second = 0, seconds_left = 0;
  std::span<const double> losses{};  // of the steps since the last report; `loss` is the last of them
};
/// How a training ended.
struct outcome {
  long steps = 0;
  double loss = 0, accuracy = 0, macro_accuracy = 0, perplexity = 1;  // the loss of the last step; scores of the test split
  std::string stopped{};                                              // why before the last step; empty: it was not
};

namespace detail {
/// Adds a batch's share of the mean loss of a step, and what was right and counted.
struct added_scores {
  const double* from;
  double* to;
  double parts;
  COEFDYN_HD void operator()(idx, idx first, idx last) const {
    for (idx c = first; c < last; ++c) to[c] += c == 0 ? from[c] / parts : from[c];
  }
};
template <class R>
struct divided {
  R* x;
  R by;
  COEFDYN_HD void operator()(idx, idx first, idx last) const {
    for (idx i = first; i < last; ++i) x[i] /= by;
  }
};
/// What a report says: to go on, unless it is a bool and false.
template <class Report>
bool go_on(Report& report, const progress& p) {
  if constexpr (std::is_void_v<decltype(report(p))>) return report(p), true;
  else return report(p);
}
}  // namespace detail

/// Trains a model of token ids: any type with `parameters()` and `model(tape, token_ids)`, its logits one row a token or one a sequence, as
/// the task's labels are. Samples come in the documented order of epochs (order.hpp). The same bits for any number of threads; a step's
/// memory is taken by the first and kept. `On` is the device: trainer<model, float, device::cuda> trains on a GPU, in a file that nvcc
/// compiles and that includes nn/cuda/layers.cuh.
///
/// ```cpp
/// #include <coefdyn/nn/layers/delta_rule.hpp>
/// #include <coefdyn/nn/models/language_model.hpp>
/// #include <coefdyn/tasks/in_context_recall.hpp>
/// #include <coefdyn/train/trainer.hpp>
/// #include <cstdio>
/// using namespace coefdyn;
/// inline train::outcome recall() {
///   const tasks::in_context_recall task({.length = 32, .train = 3200, .test = 256});
///   nn::model_sizes z;
///   z.width = 64, z.vocabulary = task.vocabulary(), z.hidden = 128, z.layer.heads = 2;
///   train::trainer<nn::language_model<nn::gated_deltanet>> t(z, {.evaluate_every = 100, .enough = 0.95});
///   return t.fit(task, [](const train::progress& p) { std::printf("%ld %.3f\n", p.step, p.loss); });
/// }
/// ```
///
/// Memory: four arenas of `parameters()->size()` numbers (weights, gradients, two moments), and of a step
/// ```text
/// bytes = size of R B T (2 C + S) + 24 B T + 8 V + 8 min(V, B T), some hundred more an operation, and scratch of one operation
/// ```
/// with C the columns of all activations (numbers and gradients: twice), S those that operations keep beside them (a convolution's
/// channels before silu, two numbers for each group of a norm), 16 bytes for a token's loss and verdict, and 8 for each token, each
/// word and each that occurs in the embeddings' list of who has which. A mixer keeps nothing but its streams and y, whatever its form. A
/// language model has C = D + L (5 D + 3 hidden + layer) + D + V and S = 2 + L (4 + layer); a layer has a column for each output of a
/// source, of the mixer and of a stage: attention H n + G (n + d) + H d + D with G key heads, and gated_deltanet 6 G n + 6 H d + 4 H + D, S
/// = 2 G n + H d + 4 G + 2 H. With model_sizes::recompute, C = D + blocks D + (one block's) + D + V: a block keeps its result alone; on the
/// CPU the gradients of what lies behind it, D + V columns, are dropped before it is made again. There a batch that is cut into slices
/// (slices.hpp) has in each of eight lanes what a slice of so many tokens takes, and gradients in an arena of its own. On a GPU ids and
/// labels are copied too. Batches lie in memory that the next ones use again: a step allocates what the task's samples are.
///
/// error   invalid_input for settings out of range, and for a task whose ids or targets the model has no place for
template <class Model, class R = float, class On = device::cpu<openmp>>
class trainer {
 public:
  using real = R;
  const settings s;   // checked
  const Model model;  // names the parameters, whose numbers are in w

 private:
  std::shared_ptr<void> kept_;  // the device's, which goes last

 public:
  nn::weights<R, On> w;    // on the device
  adamw<R, On> optimiser;  // its moments and the number of steps done

  /// A model of these sizes with initial weights by the seed, on a device of the caller's.
  template <class Sizes>
  trainer(const Sizes& sizes, const settings& s_, const On& on) : trainer(owned{on, nullptr}, sizes, s_) {}
  /// On all of the host's cores or as many as the settings say; on a GPU on the default stream, or on one of its own where steps are
  /// recorded.
  template <class Sizes>
  trainer(const Sizes& sizes, const settings& s_) : trainer(device_of(s_), sizes, s_) {}
  trainer(const trainer&) = delete;
  trainer& operator=(const trainer&) = delete;

  /// Steps until the last one, an evaluation that is `enough`, a number that is none, or until report(progress), if it gives a bool, says
  /// false. Called again it goes on where it stopped, and ends at the bits of a training that was not stopped. Reports come every
  /// `report_every` steps, and behind an evaluation and the last step.
  template <tasks::task T, class Report>
  outcome fit(const T& task, Report report) {
    const long first = optimiser.steps();
    long evaluated = -1;  // after how many steps
    outcome out{.steps = first};
    const auto score_test = [&] {
      const tasks::score test = evaluate(task, tasks::split::test);
      out.accuracy = test.accuracy(), out.macro_accuracy = test.macro_accuracy(), out.perplexity = test.perplexity();
      evaluated = out.steps;
    };
    progress p{.steps = s.rate.steps};
    const idx samples = task.size(tasks::split::train);
    tasks::detail::expect(samples > 0, T::name, "split train", "samples", samples);
    std::optional<tasks::loader<T>> epoch;
    const auto start = std::chrono::steady_clock::now();
    double tokens = 0;
    const auto evaluates_after = [&](long step) { return s.evaluate_every > 0 && step % s.evaluate_every == 0 && step < s.rate.steps; };
    for (long step = first; step < s.rate.steps && out.stopped.empty(); ++step) {
      const auto next_batch = [&](long number) { next(epoch, task, number, samples), tokens += double(batch_.rows * batch_.length); };
      s.accumulate > 1 ? queue_accumulated(step, next_batch) : queue_one(step, next_batch);
      if ((step + 1) % s.report_every != 0 && step + 1 < s.rate.steps && !evaluates_after(step + 1)) continue;
      const bool finite = wait(step + 1 - out.steps);
      if (!finite) epoch.reset(), out.stopped = fault_in(optimiser.steps(), next_batch);
      if (losses_.empty()) break;
      out.steps = optimiser.steps(), out.loss = losses_.back();
      if (finite && evaluates_after(out.steps)) {
        score_test();
        p.accuracy = out.accuracy;
        if (p.accuracy >= s.enough) out.stopped = "accuracy reached";
      }
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      p.step = out.steps, p.loss = out.loss, p.losses = losses_, p.tokens_per_second = tokens / seconds;
      p.seconds_left = seconds / double(out.steps - first) * double(s.rate.steps - out.steps);
      if (!detail::go_on(report, p) && out.stopped.empty()) out.stopped = "asked to stop";
    }
    if (evaluated != out.steps) score_test();
    return out;
  }
  template <tasks::task T>
  outcome fit(const T& task) {
    return fit(task, [](const progress&) {});
  }

  /// Bytes of the last step of training: activations, their gradients and records.
  std::size_t step_bytes() const { return tape_.bytes() + slices_.bytes(); }

  /// What the model scores on a whole split, without dropout. Its first batch takes memory; those of its shape after it take what the
  /// task's samples are.
  template <tasks::task T>
  tasks::score evaluate(const T& task, tasks::split part) {
    tasks::score score(task.outputs());
    nn::tape<R, On> t(w, nullptr, tape_.on);
    round_factors(t);
    std::vector<std::int64_t> predicted;
    std::vector<idx> indices;
    tasks::batch b;
    std::vector<tasks::sample> samples;
    for (idx from = 0, n = task.size(part); from < n; from += s.batch) {
      indices.clear();
      for (idx i = from; i < std::min(n, from + s.batch); ++i) indices.push_back(i);
      tasks::make_batch(task, part, indices, b, samples);
      t.begin();
      const nn::value<R> logits = model(t, ids_of(b));
      const nn::score one = nn::cross_entropy<R>(t, logits, b.targets);
      predicted.resize(b.targets.size());
      nn::largest_logits<R>(t, logits, predicted);
      score.add(b.targets, predicted, T::labels == tasks::labels::one_a_token ? b.length : 1);
      score.add_loss(one.loss * double(one.counted));
    }
    return score;
  }

 private:
  struct owned {
    On on;
    std::shared_ptr<void> kept;
  };
  template <class Sizes>
  trainer(const owned& o, const Sizes& sizes, const settings& s_)
      : s(check(s_)),
        model(sizes),
        kept_(o.kept),
        w(model.parameters(), o.on),
        optimiser(w, s.optimiser, idx(s.report_every)),
        dw_(w.parameters(), o.on),
        tape_(w, &dw_, o.on),
        slices_(model, w),
        scores_(3, nn::loops<On>{o.on}.space()) {
    if (s.recorded && !can_record) throw invalid_input("recorded", "a GPU, which runs recorded steps", "the CPU");
    round_factors(tape_);
    if (s.recorded && s.accumulate > 1) throw invalid_input("accumulate", "1 where steps are recorded", std::to_string(s.accumulate));
    w.initialise(s.seed);
  }
  void round_factors(nn::tape<R, On>& t) const {
    if constexpr (std::is_same_v<R, float> && requires { t.products().bf16_factors; }) t.products().bf16_factors = s.bf16;
    else if (s.bf16) throw invalid_input("bf16", "a GPU and weights in float", "another training");
  }
  /// The batch of that number, epoch after epoch, into batch_; the first call of a training may be in the middle of one.
  template <class T>
  void next(std::optional<tasks::loader<T>>& epoch, const T& task, long number, idx samples) {
    const long batches = long((samples + s.batch - 1) / s.batch);  // of an epoch
    if (!epoch || number % batches == 0) {
      auto order = tasks::epoch_batches(s.seed, std::uint64_t(number / batches), samples, s.batch);
      order.erase(order.begin(), order.begin() + number % batches);
      epoch.emplace(task, tasks::split::train, std::move(order));
    }
    if (epoch->next(made_)) take(made_);
  }
  template <class NextBatch>
  void queue_one(long step, const NextBatch& next_batch) {
    next_batch(step);
    rate_ = s.rate(step);
    if constexpr (can_record) {
      if (s.recorded) queue_recorded(step);
      else queue_step(step);
    } else {
      queue_step(step);
    }
    optimiser.count_step();
  }
  template <class NextBatch>
  void queue_accumulated(long step, const NextBatch& next_batch) {
    dw_.clear(), scores_.where().clear(scores_.data(), 3 * sizeof(double));
    for (int part = 0; part < s.accumulate; ++part) {
      const long number = step * s.accumulate + part;
      next_batch(number);
      tape_.elements(1, 3, detail::added_scores{queue_loss(number).sums, scores_.data(), double(s.accumulate)});
    }
    tape_.elements(1, dw_.size(), detail::divided<R>{dw_.data(), R(s.accumulate)});
    optimiser.queue(w, dw_, s.rate(step), tape_.on, scores_.data());
  }
  /// Waits for the device; losses_ are then those of the steps done since the last call, of which `queued` were queued. False: the next
  /// one met a number that is none.
  bool wait(long queued) {
    const long before = optimiser.steps() - queued;
    const auto last = optimiser.last(tape_.on);
    const bool finite = math::is_finite(last.score.loss) && math::is_finite(last.norm);
    const long done = optimiser.steps() - before;
    if (finite && done == 1) losses_.assign(1, last.score.loss);
    else optimiser.losses(idx(done), tape_.on, losses_);
    return finite;
  }
  /// Goes again through the batches of a step that met a number that is none: its weights are those of before it, but later steps have
  /// passed through the gradients.
  template <class NextBatch>
  std::string fault_in(long step, const NextBatch& next_batch) {
    dw_.clear(), at_once_ = true;
    for (int part = 0; part < s.accumulate; ++part) {
      const long number = step * s.accumulate + part;
      next_batch(number);
      if (!math::is_finite(queue_loss(number).read(tape_).loss)) return fault(step, number, "the loss");
    }
    return fault(step, step * s.accumulate, "the gradients");
  }
  static nn::token_ids ids_of(const tasks::batch& b) { return {b.inputs.data(), b.rows, b.length, b.lengths.data()}; }
  /// Adds the gradients of a batch's mean loss.
  nn::pending_score<On> queue_loss(long number) {
    tape_.begin(draws_of(number));
    const nn::token_ids ids = ids_of(batch_);
    const std::span<const std::int64_t> labels(batch_.targets);
    if constexpr (can_slice)
      if (const idx together = slices_.sequences(batch_.rows, batch_.length)) {
        const nn::score one = slices_(ids, labels, together, draws_of(number), dw_, tape_.on);
        return {tape_.template from_host<double>(
            3, [&](double* to) { to[0] = one.loss, to[1] = double(one.correct), to[2] = double(one.counted); })};
      }
    const auto score = nn::queue_cross_entropy<R>(tape_, model(tape_, ids), labels);
    tape_.backward(nn::activation_gradients::dropped);
    return score;
  }
  /// A whole step; what it takes from the host is where a recorded one finds it again.
  void queue_step(long number) {
    dw_.clear();
    const auto score = queue_loss(number);
    const auto* const numbers =
        tape_.template from_host<detail::adamw_numbers<R>>(1, [this](detail::adamw_numbers<R>* to) { *to = optimiser.numbers(rate_); });
    optimiser.queue(w, dw_, numbers, tape_.on, score.sums);
  }
  /// A shape's first step runs at once, so that its memory is there; the second is recorded.
  void queue_recorded(long number) {
    shape& one = shape_of_batch();
    if (!one.seen) {
      queue_step(number), one.seen = at_once_ = true;
      return;
    }
    if (at_once_) tape_.begin(), at_once_ = false;
    if (!one.step || !tape_.runs(*one.step)) {
      one.step.reset();
      one.step.emplace(tape_.recorded([&] { queue_step(number); }));
    }
    tape_.run(*one.step, draws_of(number));
  }
  nn::dropout_draws draws_of(long number) const { return {s.seed, std::uint64_t(number)}; }

  /// The sentence about a number that is none; the weights are those of before the step.
  std::string fault(long step, long batch, const std::string& what) const {
    const auto first_of = [&](const nn::weights<R, On>& there, const std::string& kind) -> std::string {
      const nn::weights<R>& of = nn::on_host(there);
      for (const auto& e : of.parameters()->entries())
        for (const R x : of(e.name))
          if (!math::is_finite(x) && (kind.empty() || e.is_trained())) return ", first in " + kind + e.name;
      return {};
    };
    std::string where = first_of(w, "");
    if (where.empty()) where = first_of(dw_, "the gradient of ");
    return "step " + std::to_string(step) + ", batch " + std::to_string(batch) + ": " + what + " is not finite" + where;
  }

  static owned device_of(const settings& s) {
    if constexpr (std::is_same_v<On, device::cpu<openmp>>) return {{openmp{s.threads}}, nullptr};
    if constexpr (can_record)
      if (s.recorded) {
        auto [on, kept] = nn::loops<On>::own_device();
        return {on, std::move(kept)};
      }
    return {};
  }
  static constexpr bool can_record = nn::tape<R, On>::can_record, can_slice = std::is_same_v<On, device::cpu<openmp>>;
  /// Batches of one shape, and their step.
  struct shape {
    idx rows, length;
    bool seen = false;
    std::optional<typename nn::tape<R, On>::recording> step{};
  };
  shape& shape_of_batch() {
    for (shape& one : shapes_)
      if (one.rows == batch_.rows && one.length == batch_.length) return one;
    return shapes_.emplace_back(shape{batch_.rows, batch_.length});
  }
  /// Into the same memory, so that a recorded step finds it; where it has to grow, what was recorded is void.
  void take(const tasks::batch& made) {
    const void* const before[] = {batch_.inputs.data(), batch_.targets.data(), batch_.lengths.data()};
    batch_.rows = made.rows, batch_.length = made.length;
    batch_.inputs.assign(made.inputs.begin(), made.inputs.end());
    batch_.targets.assign(made.targets.begin(), made.targets.end());
    batch_.lengths.assign(made.lengths.begin(), made.lengths.end());
    if (before[0] == batch_.inputs.data() && before[1] == batch_.targets.data() && before[2] == batch_.lengths.data()) return;
    for (shape& one : shapes_) one.step.reset();
  }
  nn::weights<R, On> dw_;
  nn::tape<R, On> tape_;
  struct no_slices {
    no_slices(const Model&, const nn::weights<R, On>&) {}
    std::size_t bytes() const { return 0; }
  };
  std::conditional_t<can_slice, sliced_batch<Model, R>, no_slices> slices_;
  tasks::batch made_, batch_;             // of the loader, and in its place
  buffer<double, memory_of<On>> scores_;  // of a step of several batches
  std::vector<double> losses_;
  double rate_ = 0;
  bool at_once_ = false;  // the last step was no recorded one
  std::list<shape> shapes_;
};

}  // namespace coefdyn::train
