// SPDX-License-Identifier: MIT
// State space models on a GPU: Mamba-2; LRU and S4, which are complex.
#include "coefdyn/nn/cuda/layers.cuh"
#include "coefdyn/nn/layers/complex_state_space.hpp"
#include "coefdyn/nn/layers/state_space.hpp"
#include "coefdyn/nn/models/language_model.hpp"
#include "coefdyn/nn/models/paper_models.hpp"
#include "nn.cuh"

namespace gpu_test {
void nn_state_space() {
  std::printf("nn: state space models\n");
  nn::model_sizes z = sizes_of(24, 21, 4, 2, 0);
  z.layer.d = 12, z.layer.n = 10;
  devices_agree("mamba2, groups", nn::language_model<nn::mamba2>(z), batch_of_ids(2, 50, 21, 50));
  nn::model_sizes ssm = sizes_of(10, 13, 1, 1, 0);
  ssm.layer.n = 7, ssm.pooled = true, ssm.dropout = 0.1;
  devices_agree("paper SSM of LRU, pooled", nn::paper_ssm<nn::lru>(ssm), batch_of_ids(8, 41, 13, 1));
  ssm.layer.n = 5;
  devices_agree("paper SSM of S4, pooled", nn::paper_ssm<nn::s4>(ssm), batch_of_ids(8, 41, 13, 1));
}
}  // namespace gpu_test

void nn_state_space() { gpu_test::nn_state_space(); }
