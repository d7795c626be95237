// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/nn/layers/attention.hpp>
#include <coefdyn/nn/models/language_model.hpp>
#include <coefdyn/tasks/mqar.hpp>
#include <coefdyn/train/trainer.hpp>

#include "support/reduced.hpp"

// One layer of attention: a short convolution puts a key and its value into one token, which the key then finds.

using namespace coefdyn;

TEST_CASE("training learns four pairs of mqar among random filler") {
  if (laws::reduced()) return;
  const tasks::mqar task({.vocabulary = 64, .length = 32, .pairs = 4, .train = 12800, .test = 256});
  nn::model_sizes z;
  z.layers = 1, z.width = 32, z.vocabulary = task.vocabulary(), z.hidden = 64, z.layer.heads = 2;
  const train::settings s{
      .rate = {.rate = 8e-3, .least = 8e-4, .warmup = 20, .steps = 400}, .evaluate_every = 50, .enough = 0.95, .threads = 1};
  train::trainer<nn::language_model<nn::paper_attention<mixers::softmax_rope_half, nn::convolution::yes>>> t(z, s);
  CHECK(t.evaluate(task, tasks::split::test).accuracy() < 0.1);  // 1/32 by chance
  const train::outcome out = t.fit(task);
  CHECK(out.stopped == "accuracy reached");
  CHECK(out.accuracy >= 0.95);
}
