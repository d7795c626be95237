// SPDX-License-Identifier: MIT
// A step of training: softmax attention with RoPE.
#include "coefdyn/nn/layers/attention.hpp"
#include "train_step.cuh"

int main() { bench::train_steps<coefdyn::nn::attention<>>("attention"); }
