// SPDX-License-Identifier: MIT
#pragma once
#include "../nn/layers/delta_rule.hpp"
#include "../nn/published.hpp"
#include "blocks.hpp"

/// What Qwen3-Next and OLMo-hybrid share: blocks of a gated delta rule or of attention, each with its MLP.
namespace coefdyn::models::detail {

/// The gated delta rule as a published layer: sizes of nn::gated_deltanet.
inline nn::sizes delta_sizes(config& c, idx width) {
  nn::sizes z;
  z.width = width;
  z.heads = int(c.whole("linear_num_value_heads", 1, 1 << 16)), z.key_heads = int(c.whole("linear_num_key_heads", 1, 1 << 16));
  if (z.heads % z.key_heads) c.wrong("linear_num_key_heads", "a divisor of the " + std::to_string(z.heads) + " value heads");
  z.n = int(c.whole("linear_key_head_dim", 1, 1 << 16)), z.d = int(c.whole("linear_value_head_dim", 1, 1 << 16));
  z.convolution = int(c.whole_or("linear_conv_kernel_dim", 4, 1, 1 << 10));
  return z;
}
/// layer_types of config.json: whether each layer is of attention.
inline std::vector<bool> attention_layers(config& c, idx layers, idx interval) {
  std::vector<bool> out;
  if (!c.has("layer_types")) {
    for (idx i = 0; i < layers; ++i) out.push_back((i + 1) % interval == 0);
    return out;
  }
  for (const std::string& type : c.texts("layer_types")) {
    if (type != "linear_attention" && type != "full_attention") c.unsupported("layer_types", "linear_attention and full_attention");
    out.push_back(type == "full_attention");
  }
  if (idx(out.size()) != layers) c.wrong("layer_types", "a list of " + std::to_string(layers) + " words, one a layer");
  return out;
}
/// A gated delta rule's layer under the name `own`, made of tensors under `from` whose convolution is one.
inline void say_delta(tensor_map& map, const std::string& from, const std::string& own, const std::vector<nn::same_rows>& rows,
                      const std::map<std::string, std::vector<idx>>& shapes) {
  for (const auto& [name, shape] : shapes) map.tensor(from + name, shape);
  for (const nn::same_rows& r : rows) map.rows(from + r.published, own + r.own, r.first, r.own_first, r.count, r.added);
}

}  // namespace coefdyn::models::detail
