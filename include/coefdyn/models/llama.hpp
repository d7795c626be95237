// SPDX-License-Identifier: MIT
#pragma once
#include "attention.hpp"
#include "body.hpp"
#include "running.hpp"

namespace coefdyn::models {

namespace detail {
/// x += attention(rms x); x += swiglu(rms x).
class llama_body : public outer_body {
 public:
  using mixers = list<mixer_use<softmax_attention::mixer>>;
  llama_body(outer_names names, idx vocabulary, const attention_sizes& z, idx layers, idx hidden, bool mlp_bias)
      : outer_body(names, vocabulary, z.width) {
    for (idx i = 0; i < layers; ++i) blocks_.emplace_back(root().part("model.layers." + std::to_string(i)), z, hidden, mlp_bias, names.eps);
  }
  static int mixer_of(idx) { return 0; }
  template <class R, class On>
  nn::value<R> hidden(nn::tape<R, On>& t, const nn::token_ids& ids) const {
    nn::value<R> x = embedded(t, ids);
    for (const block& b : blocks_) {
      x = nn::add(t, x, b.attention(t, b.before.rms(t, x, b.eps)));
      x = nn::add(t, x, b.feed(t, b.between.rms(t, x, b.eps)));
    }
    return closed(t, x);
  }
  void say(tensor_map& map) const {
    say_outer(map);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const std::string at = "model.layers." + std::to_string(i) + ".self_attn.";
      blocks_[i].attention.say(map, at, at);
      map.unused(at + "rotary_emb.inv_freq");
    }
  }
  /// The same from the names of llama2.c, in which pairs of channels that turn are adjacent.
  void say_llama2c(tensor_map& map, idx width, idx hidden, idx vocabulary, bool tied) const {
    map.whole("tok_embeddings.weight", "model.embed_tokens.weight", {vocabulary, width});
    map.whole("norm.weight", "model.norm.weight", {width});
    if (!tied) map.whole("output.weight", "lm_head.weight", {vocabulary, width});
    else map.repeats("output.weight", "tok_embeddings.weight");
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const std::string from = "layers." + std::to_string(i) + ".", own = "model." + from;
      blocks_[i].attention.say(map, from + "attention.", own + "self_attn.", 0, {"wq", "wk", "wv", "wo"});
      map.whole(from + "attention_norm.weight", own + "input_layernorm.weight", {width});
      map.whole(from + "ffn_norm.weight", own + "post_attention_layernorm.weight", {width});
      map.whole(from + "feed_forward.w1.weight", own + "mlp.gate_proj.weight", {hidden, width});
      map.whole(from + "feed_forward.w3.weight", own + "mlp.up_proj.weight", {hidden, width});
      map.whole(from + "feed_forward.w2.weight", own + "mlp.down_proj.weight", {width, hidden});
    }
  }

 private:
  struct block {
    nn::norm_parameters before, between;
    softmax_attention attention;
    gated_mlp<> feed;
    double eps;
    block(const nn::scope& s, const attention_sizes& z, idx hidden, bool mlp_bias, double eps_)
        : before(s, "input_layernorm", z.width, false),
          between(s, "post_attention_layernorm", z.width, false),
          attention(s.part("self_attn"), z),
          feed(s.part("mlp"), z.width, hidden, mlp_bias),
          eps(eps_) {}
  };
  std::vector<block> blocks_;
};
}  // namespace detail

/// Llama: model_type "llama".
///
/// error   files::file_error for a setting, a tensor or a shape that is not this architecture's
/// source  Touvron et al., arXiv:2302.13971; Hugging Face transformers 5.17, LlamaForCausalLM
template <class On = forward_device>
std::unique_ptr<language_model> llama(checkpoint from, int threads) {
  config& c = from.settings;
  attention_sizes z = detail::attention_sizes_of(c, c.whole("hidden_size"));
  z.bias = z.output_bias = c.flag_or("attention_bias", false);
  const rope turns = rope::read(c, z.n);
  z.angles = turns.angles, z.magnitude = turns.magnitude;
  outer_names names;
  names.tied = c.flag_or("tie_word_embeddings", false);
  names.eps = c.number_or("rms_norm_eps", 1e-6);
  c.only("hidden_act", "silu");
  c.ignore({"pretraining_tp"});  // of training: the same sums in parts
  const idx layers = c.whole("num_hidden_layers", 1, 4096), vocabulary = c.whole("vocab_size"), hidden = c.whole("intermediate_size");
  const bool mlp_bias = c.flag_or("mlp_bias", false);
  c.finish("llama");
  detail::llama_body body(names, vocabulary, z, layers, hidden, mlp_bias);
  tensor_map map(from.tensors, *body.parameters());
  body.say(map);
  return filled<On>({"llama", vocabulary, z.width, layers}, std::move(body), map, threads);
}

/// Llama as llama2.c has it: model_type "llama2c", settings dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, tied_embeddings.
///
/// error   files::file_error for a setting, a tensor or a shape that is not this architecture's
/// source  https://github.com/karpathy/llama2.c
template <class On = forward_device>
std::unique_ptr<language_model> llama2c(checkpoint from, int threads) {
  config& c = from.settings;
  attention_sizes z;
  z.width = c.whole("dim"), z.heads = int(c.whole("n_heads", 1, 1 << 16)), z.key_heads = int(c.whole_or("n_kv_heads", z.heads, 1, 1 << 16));
  if (z.heads % z.key_heads) c.wrong("n_kv_heads", "a divisor of the " + std::to_string(z.heads) + " heads");
  if (z.width % (2 * z.heads)) c.wrong("dim", "a multiple of twice the " + std::to_string(z.heads) + " heads");
  z.n = int(z.width / z.heads), z.adjacent = true;
  const double theta = c.number_or("rope_theta", 1e4);
  if (!(theta > 0)) c.wrong("rope_theta", "a number above 0");
  for (int m = 0; m < z.n / 2; ++m) z.angles.push_back(std::pow(theta, -2.0 * m / z.n));
  outer_names names;
  names.tied = c.flag_or("tied_embeddings", true), names.eps = c.number_or("norm_eps", 1e-5);
  const idx layers = c.whole("n_layers", 1, 4096), hidden = c.whole("hidden_dim"), vocabulary = c.whole("vocab_size");
  c.ignore({"max_seq_len"});
  c.finish("llama2c");
  detail::llama_body body(names, vocabulary, z, layers, hidden, false);
  tensor_map map(from.tensors, *body.parameters());
  body.say_llama2c(map, z.width, hidden, vocabulary, names.tied);
  return filled<On>({"llama2c", vocabulary, z.width, layers}, std::move(body), map, threads);
}

}  // namespace coefdyn::models
