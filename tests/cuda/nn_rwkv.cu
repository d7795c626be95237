// SPDX-License-Identifier: MIT
// RWKV-7 on a GPU.
#include "coefdyn/nn/cuda/layers.cuh"
#include "coefdyn/nn/layers/rwkv.hpp"
#include "coefdyn/nn/models/language_model.hpp"
#include "nn.cuh"

namespace gpu_test {
void nn_rwkv() {
  std::printf("nn: RWKV\n");
  nn::model_sizes z = sizes_of(32, 23, 2, 2, 24);
  z.layer.rank = 6;
  devices_agree("RWKV-7", nn::language_model<nn::rwkv7>(z), batch_of_ids(2, 39, 23, 39));
}
}  // namespace gpu_test

void nn_rwkv() { gpu_test::nn_rwkv(); }
