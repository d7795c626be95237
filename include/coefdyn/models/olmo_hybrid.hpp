// SPDX-License-Identifier: MIT
#pragma once
#include "delta.hpp"

namespace coefdyn::models {

namespace detail {
struct olmo_hybrid_sizes {
  attention_sizes attention;
  nn::sizes delta;
  std::vector<bool> is_attention;
  idx hidden = 0;
};
struct olmo_hybrid_block : mixed_block<nn::gated_deltanet, gated_mlp<>> {
  olmo_hybrid_block(const nn::scope& s, const olmo_hybrid_sizes& z, std::size_t i)
      : mixed_block(s, z.attention.width, z.is_attention[i] ? "post_attention_layernorm" : "input_layernorm",
                    z.is_attention[i] ? "post_feedforward_layernorm" : "post_attention_layernorm",
                    {s.part("mlp"), z.attention.width, z.hidden, false}) {
    if (z.is_attention[i]) attention.emplace_back(s.part("self_attn"), z.attention);
    else linear.emplace_back(s.part("linear_attn"), z.delta);
  }
};
/// Blocks of the gated delta rule: x += delta(rms x), x += mlp(rms x). Blocks of attention: x += rms(attention x), x += rms(mlp x).
class olmo_hybrid_body : public mixed_body<olmo_hybrid_block, olmo_hybrid_sizes> {
 public:
  using mixers = list<mixer_use<coefdyn::mixers::gated_deltanet, heads::grouped_values>, mixer_use<softmax_attention::mixer>>;
  using mixed_body::mixed_body;
  template <class R, class On>
  nn::value<R> hidden(nn::tape<R, On>& t, const nn::token_ids& ids) const {
    nn::value<R> x = embedded(t, ids);
    nn::across_layers<R> across;
    for (const olmo_hybrid_block& b : blocks_)
      if (!b.linear.empty()) {
        x = nn::add(t, x, b.linear.front()(t, b.before.rms(t, x, eps_), across));
        x = nn::add(t, x, b.feed(t, b.between.rms(t, x, eps_)));
      } else {
        x = nn::add(t, x, b.before.rms(t, b.attention.front()(t, x), eps_));
        x = nn::add(t, x, b.between.rms(t, b.feed(t, x), eps_));
      }
    return closed(t, x);
  }
  void say(tensor_map& map) const {
    say_outer(map);
    for_blocks([&](const olmo_hybrid_block& b, const std::string& at) {
      say_norm(map, at, "input_layernorm", "attention_layer_norm");
      say_norm(map, at, "post_attention_layernorm", "feedforward_layer_norm");
      if (!b.linear.empty()) say_linear(map, at + "linear_attn.");
      else b.attention.front().say(map, at + "self_attn.", at + "self_attn.");
    });
  }

 private:
  /// A norm under the name that released checkpoints give it.
  void say_norm(tensor_map& map, const std::string& at, const std::string& own, const std::string& released) const {
    if (map.has(at + released + ".weight")) map.whole(at + released + ".weight", at + own + ".weight", {z_.attention.width});
  }
  /// Its projections have their own names; one convolution passes over all q, k, v, or, as released, three.
  void say_linear(tensor_map& map, const std::string& at) const {
    if (!map.has(at + "conv1d.weight")) return;
    const nn::sizes& z = z_.delta;
    const idx keys = idx(z.key_heads) * z.n, values = idx(z.heads) * z.d;
    map.tensor(at + "conv1d.weight", {2 * keys + values, 1, z.convolution});
    map.rows(at + "conv1d.weight", at + "q_conv1d.weight", 0, 0, keys);
    map.rows(at + "conv1d.weight", at + "k_conv1d.weight", keys, 0, keys);
    map.rows(at + "conv1d.weight", at + "v_conv1d.weight", 2 * keys, 0, values);
  }
};
}  // namespace detail

/// OLMo-hybrid: model_type "olmo_hybrid"; without RoPE where rope_parameters has no rope_theta, as the released models.
///
/// error   files::file_error for a setting, a tensor or a shape that is not this architecture's
/// source  Hugging Face transformers 5.17, OlmoHybridForCausalLM
inline std::unique_ptr<language_model> olmo_hybrid(checkpoint from, int threads) {
  config& c = from.settings;
  const idx width = c.whole("hidden_size"), layers = c.whole("num_hidden_layers", 1, 4096), vocabulary = c.whole("vocab_size");
  detail::olmo_hybrid_sizes z;
  z.attention = detail::attention_sizes_of(c, width);
  z.attention.bias = z.attention.output_bias = c.flag_or("attention_bias", false);
  z.attention.norm = norm_of_keys::all;
  const bool turned = c.part("rope_parameters").has("rope_theta") || c.has("rope_theta");
  const rope turns = rope::read(c, z.attention.n);
  if (turned) z.attention.angles = turns.angles, z.attention.magnitude = turns.magnitude;
  outer_names names;
  names.tied = c.flag_or("tie_word_embeddings", false);
  names.eps = z.attention.eps = c.number_or("rms_norm_eps", 1e-6);
  for (const char* key : {"linear_num_key_heads", "linear_num_value_heads"})
    if (!c.has(key)) c.set(key, z.attention.heads);
  if (!c.has("linear_key_head_dim")) c.set("linear_key_head_dim", idx(0.75 * double(width) / double(c.whole("linear_num_key_heads"))));
  if (!c.has("linear_value_head_dim")) c.set("linear_value_head_dim", 2 * c.whole("linear_key_head_dim"));
  z.delta = detail::delta_sizes(c, width), z.delta.eps = 1e-5;
  z.delta.strongest = c.flag_or("linear_allow_neg_eigval", true) ? 2 : 1;
  z.is_attention = detail::attention_layers(c, layers, 4);
  z.hidden = c.whole("intermediate_size");
  c.only("hidden_act", "silu");
  c.ignore({"linear_a_log_min", "linear_a_log_max", "linear_dt_min", "linear_dt_max", "linear_dt_init_floor"});  // of the start of training
  c.finish("olmo_hybrid");
  detail::olmo_hybrid_body body(names, vocabulary, z);
  tensor_map map(from.tensors, *body.parameters());
  body.say(map);
  return filled({"olmo_hybrid", vocabulary, width, layers}, std::move(body), map, threads);
}

}  // namespace coefdyn::models
