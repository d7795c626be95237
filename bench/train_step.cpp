// SPDX-License-Identifier: MIT
// Steps of training of a small model, for bench/train_step.py, which runs PyTorch's beside them. The MAD setting (arXiv:2403.17844): width
// 128, two blocks of a mixer with 4 heads and SwiGLU of 256, 128 tokens of a vocabulary of 32, batch 32; forward, backward, a clip of the
// gradients' norm to 1 and AdamW.
//
//   bench_train_step LAYER THREADS FILE
//
// writes weights and batches as they are at the start to FILE (safetensors), then "ready"; for each number n that it reads it does n steps
// and writes one line a step: loss, seconds, seconds of all threads' own time. Batches come in turns.
#include <chrono>
#include <coefdyn/files/save_safetensors.hpp>
#include <coefdyn/nn/layers/attention.hpp>
#include <coefdyn/nn/layers/delta_rule.hpp>
#include <coefdyn/nn/layers/state_space.hpp>
#include <coefdyn/nn/models/language_model.hpp>
#include <coefdyn/tasks/batch.hpp>
#include <coefdyn/tasks/in_context_recall.hpp>
#include <coefdyn/train/adamw.hpp>
#include <coefdyn/train/slices.hpp>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

namespace {
using namespace coefdyn;

constexpr idx batches = 8, rows = 32, time_ = 128, vocabulary = 32;

double seconds_of_all_threads() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}
/// Token ids and targets of all batches: the first 128 tokens of sequences of in-context recall.
struct data {
  std::vector<std::int64_t> ids, targets;
  data() {
    const tasks::in_context_recall task({.vocabulary = vocabulary, .length = time_ + 2});
    for (idx i = 0; i < batches * rows; ++i) {
      const tasks::sample s = task.make(tasks::split::train, i);
      ids.insert(ids.end(), s.inputs.begin(), s.inputs.begin() + time_);
      targets.insert(targets.end(), s.targets.begin(), s.targets.begin() + time_);
    }
  }
};
nn::model_sizes sizes() {
  nn::model_sizes z;
  z.width = 128, z.vocabulary = vocabulary, z.hidden = 256, z.layer.heads = 4;
  return z;
}

template <class Layer>
void serve(const nn::model_sizes& z, int threads, const std::string& path) {
  const nn::language_model<Layer> model(z);
  nn::weights<float> w(model.parameters()), dw(model.parameters());
  w.initialise(1);
  const data d;
  files::safetensors_writer start;
  for (const auto& e : model.parameters()->entries())
    start.add(e.name, {files::number_type_of<float>(), "", e.shape, std::as_bytes(w(e.name))});
  const std::vector<idx> shape{batches, rows, time_};
  start.add("ids", {files::number_type_of<std::int64_t>(), "", shape, std::as_bytes(std::span(d.ids))});
  start.add("targets", {files::number_type_of<std::int64_t>(), "", shape, std::as_bytes(std::span(d.targets))});
  start.save(path);

  const device::cpu<openmp> on{openmp{threads}};
  train::adamw<float> optimiser(w, {});
  train::sliced_batch<nn::language_model<Layer>, float> batch(model, w);
  const idx together = batch.sequences(rows, time_);
  std::puts("ready");
  std::fflush(stdout);
  long steps = 0;
  for (long count; std::cin >> count;) {
    for (; count > 0; --count, ++steps) {
      const auto from = std::chrono::steady_clock::now();
      const double own = seconds_of_all_threads();
      const idx at = steps % batches * rows * time_;
      dw.clear();
      const nn::score s = batch(nn::token_ids{d.ids.data() + at, rows, time_}, std::span(d.targets).subspan(std::size_t(at), rows * time_),
                                together, {}, dw, on);
      optimiser.step(w, dw, 1e-3, on);
      std::printf("%.9g %.9g %.9g\n", s.loss, std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count(),
                  seconds_of_all_threads() - own);
    }
    std::fflush(stdout);
  }
}
}  // namespace

int main(int count, char** words) {
  const std::string layer = count == 4 ? words[1] : "";
  nn::model_sizes z = sizes();
  if (layer == "softmax") serve<nn::attention<>>(z, std::stoi(words[2]), words[3]);
  else if (layer == "gated_deltanet") serve<nn::gated_deltanet>(z, std::stoi(words[2]), words[3]);
  else if (layer == "mamba2") {
    z.layer.key_heads = 1, z.layer.d = 64, z.layer.n = 32;
    serve<nn::mamba2>(z, std::stoi(words[2]), words[3]);
  } else {
    std::fputs("bench_train_step: say softmax, gated_deltanet or mamba2, a number of threads and a file to write.\n", stderr);
    return 2;
  }
}
