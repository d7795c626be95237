// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "coefdyn/nn/cuda/layers.cuh"
#include "coefdyn/nn/models/language_model.hpp"
#include "coefdyn/train/trainer.hpp"

/// Times a step of training on a GPU in the setting of MAD (arXiv:2403.17844): width 128, two blocks of the layer and SwiGLU of 256, 4
/// heads, 128 tokens, vocabulary 32, batch 128, float, clip 1. A line of JSON: milliseconds from step to step of the trainer, batches,
/// loss, clip and AdamW included, as the median of 200 after 50; where losses are read every 10 steps, of means over those.
namespace bench {
using namespace coefdyn;

/// Random tokens, each to be told at its place, so that every position counts.
struct noise {
  static constexpr std::string_view name = "noise";
  static constexpr tasks::labels labels = tasks::labels::one_a_token;
  static constexpr tasks::metric metric = tasks::metric::accuracy;
  idx vocabulary() const { return 32; }
  idx outputs() const { return 32; }
  idx length() const { return 128; }
  idx size(tasks::split s) const { return s == tasks::split::train ? 12800 : 128; }
  tasks::sample make(tasks::split s, idx index) const {
    random_stream r(1, 1001, std::uint64_t(s), std::uint64_t(index));
    tasks::sample out;
    for (idx i = 0; i < length(); ++i) out.inputs.push_back(std::int64_t(r.below(32)));
    out.targets = out.inputs;
    return out;
  }
};

/// `change`: what the layer's paper has otherwise.
template <class Layer>
void train_step(const char* name, bool recorded, long report_every, void (*change)(nn::sizes&)) {
  constexpr long first = 50, steps = 250;
  const noise task;
  nn::model_sizes z;
  z.width = 128, z.vocabulary = task.vocabulary(), z.hidden = 256, z.layers = 2, z.layer.heads = 4;
  if (change) change(z.layer);
  train::settings s;
  s.rate = {.rate = 1e-3, .least = 1e-4, .warmup = 10, .steps = steps}, s.batch = 128, s.recorded = recorded, s.report_every = report_every;
  train::trainer<nn::language_model<Layer>, float, device::cuda> t(z, s);
  std::vector<double> times;
  auto before = std::chrono::steady_clock::now();
  const auto out = t.fit(task, [&](const train::progress& p) {
    const auto now = std::chrono::steady_clock::now();
    if (p.step > first) times.push_back(std::chrono::duration<double>(now - before).count() / double(p.losses.size()));
    before = now;
  });
  std::nth_element(times.begin(), times.begin() + long(times.size() / 2), times.end());
  const double seconds = times[times.size() / 2];
  std::printf(
      "{\"bench\": \"train_step\", \"layer\": \"%s\", \"recorded\": %s, \"report_every\": %ld, \"ms\": %.3f, \"tokens_per_second\": %.0f, "
      "\"bytes\": %zu, "
      "\"loss\": %.4f}\n",
      name, recorded ? "true" : "false", report_every, 1e3 * seconds, double(s.batch * task.length()) / seconds, t.step_bytes(), out.loss);
}
/// Steps that are queued one by one, and recorded ones; the host waiting for each, and for every tenth.
template <class Layer>
void train_steps(const char* name, void (*change)(nn::sizes&) = nullptr) {
  for (const long report_every : {1L, 10L})
    for (const bool recorded : {false, true}) train_step<Layer>(name, recorded, report_every, change);
}
}  // namespace bench
