// SPDX-License-Identifier: MIT
// How fast samples are made, beside how fast a small model consumes them, on one thread: tokens per second of its time. The model is that
// of the MAD tasks (arXiv:2403.17844): two layers of attention with 16 heads of 8 and RoPE, SwiGLU of 352, width 128; forward, backward and
// AdamW.
#include <time.h>

#include <algorithm>
#include <coefdyn/nn/layers/attention.hpp>
#include <coefdyn/nn/models/language_model.hpp>
#include <coefdyn/tasks/batch.hpp>
#include <coefdyn/tasks/compression.hpp>
#include <coefdyn/tasks/fuzzy_in_context_recall.hpp>
#include <coefdyn/tasks/in_context_recall.hpp>
#include <coefdyn/tasks/listops.hpp>
#include <coefdyn/tasks/memorization.hpp>
#include <coefdyn/tasks/mqar.hpp>
#include <coefdyn/tasks/noisy_in_context_recall.hpp>
#include <coefdyn/tasks/selective_copying.hpp>
#include <coefdyn/train/adamw.hpp>
#include <cstdio>
#include <numeric>
#include <vector>

namespace {
using namespace coefdyn;

double seconds_of_this_thread() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}
/// Calls step() for at least `least` seconds; tokens per second of the fastest of five rounds. step() says its tokens.
template <class F>
double tokens_per_second(double least, F step) {
  step();  // takes its memory
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    const double start = seconds_of_this_thread();
    double tokens = 0, seconds = 0;
    while (seconds < least / 5) {
      tokens += double(step());
      seconds = seconds_of_this_thread() - start;
    }
    best = std::max(best, tokens / seconds);
  }
  return best;
}

template <tasks::task T>
double made(const T& task, idx rows) {
  std::vector<idx> indices(static_cast<std::size_t>(rows));
  idx from = 0;
  return tokens_per_second(0.5, [&] {
    std::iota(indices.begin(), indices.end(), from);
    from = (from + rows) % (task.size(tasks::split::train) - rows);
    const tasks::batch b = tasks::make_batch(task, tasks::split::train, indices);
    return std::accumulate(b.lengths.begin(), b.lengths.end(), idx(0));
  });
}

template <tasks::task T>
double trained(const T& task, idx rows) {
  nn::model_sizes z;
  z.width = 128, z.vocabulary = task.vocabulary(), z.hidden = 352, z.layer.heads = 16;
  const nn::language_model<nn::attention<>> model(z);
  nn::weights<float> w(model.parameters()), dw(model.parameters());
  w.initialise(1);
  train::adamw<float> optimiser(w, {});
  nn::tape<float> tape(w, &dw, 1);
  std::vector<idx> indices(static_cast<std::size_t>(rows));
  std::iota(indices.begin(), indices.end(), idx(0));
  tasks::batch b = tasks::make_batch(task, tasks::split::train, indices);
  if constexpr (T::labels == tasks::labels::one_a_sequence) {  // at the first token, since this model has an answer at each
    tasks::token_list targets(b.inputs.size(), tasks::ignored);
    for (idx i = 0; i < b.rows; ++i) targets[std::size_t(i * b.length)] = b.targets[std::size_t(i)];
    b.targets = targets;
  }
  return tokens_per_second(2.5, [&] {
    dw.clear();
    tape.begin();
    nn::cross_entropy<float>(tape, model(tape, nn::token_ids{b.inputs.data(), b.rows, b.length}), b.targets);
    tape.backward();
    optimiser.step(w, dw, 1e-3, tape.on);
    return b.rows * b.length;
  });
}

double least = 1e30;
template <tasks::task T>
void line(const T& task) {
  const idx rows = std::max<idx>(1, 2048 / task.length());
  const double making = made(task, rows), training = trained(task, rows);
  std::printf("%-26s %7ld %16.1f %18.1f %12.0f\n", std::string(T::name).c_str(), long(task.length()), making / 1e6, training / 1e3,
              making / training);
  std::fflush(stdout);
  least = std::min(least, making / training);
}
}  // namespace

int main() {
  std::printf("%-26s %7s %16s %18s %12s\n", "task, as published", "length", "made, 10^6 / s", "trained, 10^3 / s", "times faster");
  line(tasks::in_context_recall());
  line(tasks::noisy_in_context_recall());
  line(tasks::fuzzy_in_context_recall());
  line(tasks::selective_copying());
  line(tasks::compression());
  line(tasks::memorization());
  line(tasks::mqar());
  line(tasks::listops());
  std::printf("the least: %.0f times\n", least);
}
