// SPDX-License-Identifier: MIT
// Attention on a GPU: softmax with RoPE and grouped heads, tied embeddings; the spectra's transformer.
#include "coefdyn/nn/cuda/layers.cuh"
#include "coefdyn/nn/layers/attention.hpp"
#include "coefdyn/nn/models/language_model.hpp"
#include "coefdyn/nn/models/paper_models.hpp"
#include "nn.cuh"

namespace gpu_test {
void nn_attention() {
  std::printf("nn: attention\n");
  nn::model_sizes tied = sizes_of(42, 29, 3, 1, 23);
  tied.tied = true, tied.positions = 40;
  devices_agree("attention, RoPE, grouped, tied", nn::language_model<nn::attention<>>(tied), batch_of_ids(3, 37, 29, 37));
  nn::model_sizes pooled = sizes_of(24, 17, 2, 2, 31);
  pooled.pooled = true, pooled.head = 19, pooled.positions = 33, pooled.gated = true, pooled.dropout = 0.1;
  using transformer = nn::paper_transformer<nn::paper_attention<mixers::softmax_rope_half, nn::convolution::yes>>;
  devices_agree("paper transformer, pooled", transformer(pooled), batch_of_ids(9, 33, 17, 1));
  pooled.layer.drop_weights = 0.2;
  devices_agree("softmax, weights dropped", transformer(pooled), batch_of_ids(9, 33, 17, 1));
  nn::model_sizes linear = sizes_of(24, 17, 4, 4, 31);
  linear.positions = 70, linear.dropout = 0.3, linear.layer.drop_weights = 0.2;
  devices_agree("linear, weights dropped", nn::paper_transformer<nn::paper_attention<mixers::linear_attention_elu1>>(linear),
                batch_of_ids(3, 70, 17, 70));
}
}  // namespace gpu_test

void nn_attention() { gpu_test::nn_attention(); }
