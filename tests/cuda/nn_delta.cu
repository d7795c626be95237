// SPDX-License-Identifier: MIT
// Gated DeltaNet on a GPU.
#include "coefdyn/nn/cuda/layers.cuh"
#include "coefdyn/nn/layers/delta_rule.hpp"
#include "coefdyn/nn/models/language_model.hpp"
#include "nn.cuh"

namespace gpu_test {
void nn_delta() {
  std::printf("nn: delta rules\n");
  devices_agree("gated deltanet, grouped, SwiGLU", nn::language_model<nn::gated_deltanet>(sizes_of(48, 31, 4, 2, 40)),
                batch_of_ids(3, 45, 31, 45));
  bf16_is_near("the same, bf16 factors", nn::language_model<nn::gated_deltanet>(sizes_of(48, 31, 4, 2, 40)), batch_of_ids(3, 45, 31, 45));
}
}  // namespace gpu_test

void nn_delta() { gpu_test::nn_delta(); }
