// SPDX-License-Identifier: MIT
// Gated linear attention on a GPU, in MAD's models.
#include "coefdyn/nn/cuda/layers.cuh"
#include "coefdyn/nn/layers/gated_linear.hpp"
#include "coefdyn/nn/models/autoencoder.hpp"
#include "coefdyn/nn/models/mad_language_model.hpp"
#include "nn.cuh"

namespace gpu_test {
void nn_gated() {
  std::printf("nn: gated linear attention\n");
  nn::model_sizes z = sizes_of(48, 15, 3, 3, 20);
  z.layer.n = 8, z.layer.rank = 5;
  devices_agree("GLA, autoencoder", nn::autoencoder<nn::gla>(z), batch_of_ids(3, 40, 15, 40));
  devices_agree("HGRN-2 of rising bounds, MAD's model", nn::mad_language_model<nn::hgrn2_rising_bound>(z), batch_of_ids(3, 40, 15, 40));
}
}  // namespace gpu_test

void nn_gated() { gpu_test::nn_gated(); }
