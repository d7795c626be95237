// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/nn/models/model.hpp>
#include <coefdyn/train/trainer.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The lines of ./run tasks-check: a task, a model, and what its accuracy has to be.
namespace check_tasks {

using namespace coefdyn;

/// What a command changes of all lines.
struct changes {
  std::string data = "";  // the folder of data sets; "": the environment's COEFDYN_DATA
  bool quick = false;     // a twentieth of the steps
  long steps = 0;         // 0: each line's own
  double rate = 0;        // likewise
  std::uint64_t seed = 1;
  int threads = 0;  // 0: all
};

/// A model's size and its training.
struct plan {
  int layers = 2, heads = 2;
  idx width = 64, positions = 0, batch = 32;
  double rate = 2e-3;
  long steps = 3000, evaluate_every = 100;
  double embedding_deviation = 0.02;
};

/// What a model that solves reaches, and one that cannot stays below.
enum class expected { at_least, below };
using report = std::function<void(const train::progress&)>;
struct line {
  std::string_view task;
  std::string layer;  // in words
  std::string why;    // it solves the task, or cannot
  expected accuracy;
  double threshold;
  std::function<train::outcome(const line&, const changes&, const report&)> run;
};

/// Trains a model on a task; one that is to solve it stops as soon as it does.
template <class Model, class T>
train::outcome trained(const T& task, nn::model_sizes z, const plan& p, const line& of, const changes& c, const report& tell) {
  z.width = p.width, z.layers = p.layers, z.vocabulary = task.vocabulary(), z.hidden = 2 * p.width, z.positions = p.positions;
  z.layer.heads = p.heads, z.embedding_deviation = p.embedding_deviation;
  const long steps = c.steps > 0 ? c.steps : c.quick ? std::max(1l, p.steps / 20) : p.steps;
  const double rate = c.rate > 0 ? c.rate : p.rate;
  const train::settings s{.rate = {.rate = rate, .least = rate / 10, .warmup = int(std::min(100l, steps / 10)), .steps = steps},
                          .batch = p.batch,
                          .evaluate_every = p.evaluate_every,
                          .enough = of.accuracy == expected::at_least ? of.threshold : 2,
                          .seed = c.seed,
                          .threads = c.threads};
  train::trainer<Model> t(z, s);
  return t.fit(task, tell);
}

std::vector<line> lines_of_recall();   // in-context recall three times, mqar
std::vector<line> lines_of_order();    // selective copying, compression, memorization
std::vector<line> lines_of_classes();  // ListOps, CIFAR-10

}  // namespace check_tasks
