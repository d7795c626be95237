// SPDX-License-Identifier: MIT
// A task of your own, and a model trained on it: is a bracket's partner round or square?
#include <cstdio>

#include "coefdyn/nn/layers/delta_rule.hpp"
#include "coefdyn/nn/models/language_model.hpp"
#include "coefdyn/train/trainer.hpp"

using namespace coefdyn;

/// Random brackets that are opened and closed; at each closing one (2) the target is the kind of the one that it closes.
struct brackets {
  static constexpr std::string_view name = "brackets";
  static constexpr tasks::labels labels = tasks::labels::one_a_token;
  static constexpr tasks::metric metric = tasks::metric::accuracy;
  idx vocabulary() const { return 3; }  // 0 opens a round one, 1 a square one, 2 closes
  idx outputs() const { return 3; }
  idx length() const { return 16; }
  idx size(tasks::split s) const { return s == tasks::split::train ? 3200 : s == tasks::split::test ? 256 : 0; }
  tasks::sample make(tasks::split s, idx index) const {
    random_stream r(1, 1000, std::uint64_t(s), std::uint64_t(index));  // of this sample alone
    tasks::sample out;
    tasks::token_list open;
    for (idx i = 0; i < length(); ++i) {
      const bool closes = !open.empty() && (open.size() == 3 || r.below(2) == 0);
      const std::int64_t token = closes ? 2 : std::int64_t(r.below(2));
      out.inputs.push_back(token), out.targets.push_back(closes ? open.back() : tasks::ignored);
      if (closes) open.pop_back();
      else open.push_back(token);
    }
    return out;
  }
};
static_assert(tasks::task<brackets>);

int main() {
  const brackets task;
  nn::model_sizes size;
  size.width = 32, size.vocabulary = task.vocabulary(), size.hidden = 64, size.layer.heads = 2;
  train::trainer<nn::language_model<nn::gated_deltanet>> trainer(
      size, {.rate = {.rate = 5e-3, .least = 1e-3, .steps = 400}, .evaluate_every = 50, .enough = 0.97, .threads = 1});
  const train::outcome end = trainer.fit(task, [](const train::progress& p) {
    if (p.step % 50 == 0)
      std::printf("step %3ld  loss %.3f  test %3.0f %%  %.0f tokens/s\n", p.step, p.loss, 100 * p.accuracy, p.tokens_per_second);
  });
  std::printf("%ld steps, right %.1f %%\n", end.steps, 100 * end.accuracy);
  return end.accuracy > 0.95 ? 0 : 1;
}
