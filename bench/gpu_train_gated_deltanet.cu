// SPDX-License-Identifier: MIT
// A step of training: gated DeltaNet.
#include "coefdyn/nn/layers/delta_rule.hpp"
#include "train_step.cuh"

int main() { bench::train_steps<coefdyn::nn::gated_deltanet>("gated_deltanet"); }
