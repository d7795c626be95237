// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/nn/layers/attention.hpp>
#include <coefdyn/nn/layers/delta_rule.hpp>
#include <coefdyn/nn/models/language_model.hpp>
#include <coefdyn/tasks/in_context_recall.hpp>
#include <coefdyn/train/trainer.hpp>

// The memory of a step is what trainer's page says: the columns of all activations, twice, and what operations keep beside them.

namespace {
using namespace coefdyn;

/// Columns that a layer's operations make, those they keep beside, and channels of convolutions.
struct columns {
  idx made = 0, kept = 0, convolved = 0;
};
columns of_attention(const nn::sizes& z) { return {z.heads * z.n + z.key_heads * (z.n + z.d) + z.heads * z.d + z.width, 0, 0}; }
columns of_gated_deltanet(const nn::sizes& z) {
  const idx K = idx(z.key_heads) * z.n, V = idx(z.heads) * z.d;
  return {2 * 3 * K + 2 * V + 4 * z.heads + 4 * V + z.width, 2 * K + V, 2 * K + V};
}

template <class Layer, class R>
void check_bytes(const nn::model_sizes& z, columns (*of)(const nn::sizes&)) {
  for (const idx length : {16, 128}) {
    const tasks::in_context_recall task({.vocabulary = z.vocabulary, .length = length + 1, .train = 8, .test = 1});
    train::trainer<nn::language_model<Layer>, R> t(z, {.rate = {.steps = 2}, .batch = 4, .threads = 1});
    t.fit(task);
    const columns layer = of(z.layer_sizes(0).complete());
    const idx rows = 4 * task.length(), D = z.width;
    const idx made = D + z.layers * (5 * D + 3 * z.hidden + layer.made) + D + z.vocabulary, kept = z.layers * layer.kept;
    const idx convolutions = 4 * z.layers * layer.convolved * (z.layer.convolution + 1);
    const auto formula = idx(sizeof(R)) * (rows * (2 * made + kept) + convolutions) + idx(sizeof(double)) * rows;
    CAPTURE(length);
    CHECK(idx(t.step_bytes()) >= formula);
    CHECK(idx(t.step_bytes()) - formula < 65536);  // records, and rounding to 64
  }
}
}  // namespace

TEST_CASE("the bytes of a step are those of the formula") {
  nn::model_sizes z;
  z.width = 32, z.vocabulary = 20, z.hidden = 40, z.layers = 3, z.layer.heads = 4, z.layer.key_heads = 2;
  check_bytes<nn::attention<>, float>(z, of_attention);
  check_bytes<nn::attention<>, double>(z, of_attention);
  z.layer.d = 16;
  check_bytes<nn::gated_deltanet, float>(z, of_gated_deltanet);
}
