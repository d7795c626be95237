// SPDX-License-Identifier: MIT
// A training on a GPU: it learns to recall, twice with the same bits; its losses are the CPU's.
#include <cstring>

#include "coefdyn/nn/cuda/layers.cuh"
#include "coefdyn/nn/layers/attention.hpp"
#include "coefdyn/nn/models/language_model.hpp"
#include "coefdyn/nn/models/paper_models.hpp"
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
std::size_t used_memory() {
  cudaMemPool_t pool = nullptr;
  std::uint64_t used = 0;
  cuda::checked(cudaDeviceGetDefaultMemPool(&pool, 0), "cudaDeviceGetDefaultMemPool");
  cuda::checked(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used), "cudaMemPoolGetAttribute");
  return std::size_t(used);
}
/// How a training went, and how much of the GPU's memory it took between its 7th and its last step.
struct run_of {
  std::vector<double> losses;
  train::outcome out;
  nn::weights<float> w;
  std::size_t before = 0, after = 0;
  template <class Model>
  run_of(const Model& m, const tasks::in_context_recall& task, train::settings s, bool recorded) : w(m.parameters()) {
    s.recorded = recorded;
    train::trainer<Model, float, device::cuda> t(m.size, s);
    out = t.fit(task, [&](const train::progress& p) {
      losses.insert(losses.end(), p.losses.begin(), p.losses.end());
      (p.step <= 7 ? before : after) = used_memory();
    });
    w.copy_from(nn::on_host(t.w));
  }
  bool operator==(const run_of& o) const {
    return losses.size() == o.losses.size() && std::memcmp(losses.data(), o.losses.data(), sizeof(double) * losses.size()) == 0 &&
           std::memcmp(w.data(), o.w.data(), sizeof(float) * std::size_t(w.size())) == 0 && out.steps == o.out.steps &&
           out.stopped == o.out.stopped;
  }
};
/// A recorded step is the step: batches of two shapes, dropout, a schedule, evaluations between; and where a number is none.
template <class Expect>
void recorded_steps(const Expect& expect) {
  const tasks::in_context_recall task({.length = 32, .train = 100, .test = 40});  // epochs of 32, 32, 32 and 4 samples
  nn::model_sizes z = training<device::cuda>::sizes(task);
  z.dropout = 0.2, z.layer.drop_weights = 0.1;
  const nn::paper_transformer<nn::paper_attention<mixers::softmax_rope_half, nn::convolution::yes>> dropping(z);
  train::settings s;
  s.rate = {.rate = 2e-3, .least = 1e-4, .warmup = 5, .steps = 19}, s.evaluate_every = 6;
  const run_of plain(dropping, task, s, false), recorded(dropping, task, s, true), again(dropping, task, s, true);
  expect(plain.losses.size() == 19 && plain.losses[1] != plain.losses[2], "batches differ");
  expect(plain == recorded, "a recorded step gives the bits of one that is not");
  expect(again == recorded, "and the same bits twice");
  train::settings seldom = s;
  seldom.report_every = 4;  // and behind evaluations
  expect(run_of(dropping, task, seldom, false) == plain, "losses read every four steps are the same bits");
  expect(run_of(dropping, task, seldom, true) == plain, "and of recorded steps");
  expect(plain.before == plain.after && recorded.before == recorded.after, "no step takes memory of the GPU");
  s.rate = {.rate = 1e30, .least = 1e30, .warmup = 3, .steps = 19}, s.evaluate_every = 0;
  const run_of far(dropping, task, s, false), far_recorded(dropping, task, s, true);
  std::printf("  %s\n", far_recorded.out.stopped.c_str());
  expect(far.out.stopped.find("is not finite") != std::string::npos && far == far_recorded, "a number that is none stops both alike");
  seldom = s, seldom.report_every = 7;  // steps that do nothing follow it, and pass through the gradients
  expect(run_of(dropping, task, seldom, false) == far && run_of(dropping, task, seldom, true) == far,
         "it is found in its step, batch and tensor where losses are read later");
  const auto refuses = [&](train::settings wrong, const char* sentence, auto... on) {
    wrong.recorded = true;
    try {
      train::trainer<model, float, device::cuda> t(training<device::cuda>::sizes(task), wrong, on...);
      t.fit(task);
      expect(false, sentence);
    } catch (const invalid_input& error) {
      expect(std::string(error.what()) == sentence, sentence);
    }
  };
  refuses(s, "coefdyn: stream of a recorded step: expected one of its own, given the default stream", device::cuda{});
  s.accumulate = 2;
  refuses(s, "coefdyn: accumulate: expected 1 where steps are recorded, given 2");
}
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
  recorded_steps(expect);
  train::settings s;
  s.rate.steps = 1000, s.evaluate_every = 100, s.enough = 0.95;
  const training<device::cuda> whole(task, s);
  std::printf("  recall: accuracy %.4f after %ld steps\n", whole.out.accuracy, whole.out.steps);
  expect(whole.out.accuracy >= 0.95, "it learns to recall");
}
}  // namespace gpu_test

void nn_train() { gpu_test::nn_train(); }
