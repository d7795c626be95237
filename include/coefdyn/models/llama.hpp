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
inline std::unique_ptr<language_model> llama(checkpoint from, int threads) {
  config& c = from.settings;
  attention_sizes z;
  z.width = c.whole("hidden_size");
  z.heads = int(c.whole("num_attention_heads", 1, 1 << 16));
  z.key_heads = int(c.whole_or("num_key_value_heads", z.heads, 1, 1 << 16));
  if (z.heads % z.key_heads) c.wrong("num_key_value_heads", "a divisor of the " + std::to_string(z.heads) + " attention heads");
  if (!c.has("head_dim") && z.width % z.heads) c.wrong("hidden_size", "a multiple of the " + std::to_string(z.heads) + " attention heads");
  z.n = int(c.whole_or("head_dim", z.width / z.heads, 1, 1 << 16));
  if (z.n % 2) c.wrong("head_dim", "an even number, for RoPE's pairs");
  z.bias = z.output_bias = c.flag_or("attention_bias", false);
  z.angles = {};
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
  return filled({"llama", vocabulary, z.width, layers}, std::move(body), map, threads);
}

}  // namespace coefdyn::models
