// SPDX-License-Identifier: MIT
// A training on a GPU: it learns to recall, twice with the same bits; its losses are the CPU's.
#include <cstring>

#include "coefdyn/nn/cuda/layers.cuh"
#include "coefdyn/nn/layers/attention.hpp"
#include "coefdyn/nn/models/language_model.hpp"
#include "coefdyn/tasks/in_context_recall.hpp"
#include "coefdyn/train/trainer.hpp"
#include "nn.cuh"

namespace gpu_test {
namespace {
using model = nn::language_model<nn::paper_attention<mixers::softmax_rope_half, nn::convolution::yes>>;

template <class On>
struct training {
  std::vector<double> losses;
  train::outcome out;
  nn::weights<float> w;
  training(const tasks::in_context_recall& task, const train::settings& s) : w(model(sizes(task)).parameters()) {
    train::trainer<model, float, On> t(sizes(task), s);
    out = t.fit(task, [&](const train::progress& p) { losses.push_back(p.loss); });
    w.copy_from(nn::on_host(t.w));
  }
  static nn::model_sizes sizes(const tasks::in_context_recall& task) {
    nn::model_sizes z = sizes_of(64, task.vocabulary(), 2, 2, 128);
    z.embedding_deviation = 0.02;
    return z;
  }
};
}  // namespace

void nn_train() {
  std::printf("nn: training\n");
  const auto expect = [](bool good, const char* what) {
    ++(good ? total.passed : total.failed);
    if (!good) std::printf("    FAILED nn_train: %s\n", what);
  };
  const tasks::in_context_recall task({.length = 32, .train = 3200, .test = 256});
  train::settings few;
  few.rate.steps = 8, few.accumulate = 2;
  const training<device::cuda> gpu(task, few), again(task, few);
  const training<device::cpu<openmp>> cpu(task, few);
  double far = 0;
  for (std::size_t i = 0; i < gpu.losses.size(); ++i) far = std::fmax(far, std::fabs(gpu.losses[i] - cpu.losses[i]) / cpu.losses[i]);
  std::printf("  losses of 8 steps differ by %.1e; test accuracy %.4f and %.4f\n", far, gpu.out.accuracy, cpu.out.accuracy);
  expect(gpu.losses.size() == 8 && far < 1e-4, "losses as on the CPU");
  expect(std::fabs(gpu.out.accuracy - cpu.out.accuracy) < 0.02, "accuracy as on the CPU");
  expect(std::memcmp(gpu.w.data(), again.w.data(), sizeof(float) * std::size_t(gpu.w.size())) == 0, "the same bits twice");
  train::settings s;
  s.rate.steps = 1000, s.evaluate_every = 100, s.enough = 0.95;
  const training<device::cuda> whole(task, s);
  std::printf("  recall: accuracy %.4f after %ld steps\n", whole.out.accuracy, whole.out.steps);
  expect(whole.out.accuracy >= 0.95, "it learns to recall");
}
}  // namespace gpu_test

void nn_train() { gpu_test::nn_train(); }
