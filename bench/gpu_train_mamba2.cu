// SPDX-License-Identifier: MIT
// A step of training: Mamba-2, one key head and twice as wide values.
#include "coefdyn/nn/layers/state_space.hpp"
#include "train_step.cuh"

int main() {
  bench::train_steps<coefdyn::nn::mamba2>("mamba2", [](coefdyn::nn::sizes& z) { z.key_heads = 1, z.d = 64; });
}
