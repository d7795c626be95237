// SPDX-License-Identifier: MIT
#pragma once
#include "../mixers/retention.hpp"
#include "qwen3_next.hpp"

namespace coefdyn::models {

namespace detail {
struct by_heads {  // -slope
  template <class X>
  COEFDYN_HD X operator()(X slope) const {
    return -slope;
  }
};
/// Lightning attention: silu of one projection, per head q, k, v; a fixed decay a head; one rms norm over all channels; a sigmoid gate.
class lightning_layer {
 public:
  using mixer = coefdyn::mixer<readout::linear, evolution::fixed_scalar, scaling::one, normalization::one>;
  lightning_layer(const nn::scope& s, idx width, int heads, int n)
      : heads_(heads),
        n_(n),
        qkv_(s, "qkv_proj", width, 3 * idx(heads) * n, false),
        out_(s, "out_proj", idx(heads) * n, width, false),
        gate_(s, "output_gate", width, idx(heads) * n, false),
        norm_(s.vector("norm.weight", idx(heads) * n, nn::start::constant(1))),
        slope_(s.vector("slope_rate", heads, nn::start::constant(1))) {}
  template <class R, class On>
  nn::value<R> operator()(nn::tape<R, On>& t, const nn::value<R>& u) const {
    const idx inner = idx(heads_) * n_;
    const nn::value<R> all = nn::map(t, nn::silu{}, qkv_(t, u)), decay = nn::map(t, by_heads{}, t.shared(slope_));
    extents e;
    e.batch = e.sequences = u.batch, e.time = u.time, e.readers = e.queries = e.keys = e.states = heads_, e.n = e.d = n_;
    const nn::value<R> y =
        mixed<mixer, heads::grouped_queries>(t, e, all.part(0, inner), all.part(inner, inner), all.part(2 * inner, inner), decay);
    return out_(t, nn::map(t, times_sigmoid{}, nn::normalise<nn::norm::rms>(t, y, inner, 1e-6, norm_), gate_(t, u)));
  }
  /// The published rows stand head after head; here all q, all k, all v.
  void say(tensor_map& map, const std::string& at, idx width) const {
    map.tensor(at + "qkv_proj.weight", {3 * idx(heads_) * n_, width});
    for (idx h = 0; h < heads_; ++h)
      for (idx part = 0; part < 3; ++part)
        map.rows(at + "qkv_proj.weight", at + "qkv_proj.weight", (3 * h + part) * n_, (part * heads_ + h) * n_, n_);
    if (map.has(at + "slope_rate")) map.whole(at + "slope_rate", at + "slope_rate", {heads_, 1, 1});
    else map.without(at + "slope_rate");
    for (const char* buffer : {"query_decay", "key_decay", "diagonal_decay"}) map.unused(at + buffer);
  }

 private:
  int heads_, n_;
  nn::projection_parameters qkv_, out_, gate_;
  nn::parameter norm_, slope_;
};
/// a x + b y.
struct weighted_sum {
  double a, b;
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X x, X y) const {
    return X(a) * x + X(b) * y;
  }
};
struct minimax_sizes {
  attention_sizes attention;
  std::vector<bool> is_attention;
  idx hidden = 0, experts = 0, chosen = 0;
  weighted_sum after_attention{1, 1}, after_lightning{1, 1}, after_experts{1, 1};
};
struct minimax_block : mixed_block<lightning_layer, expert_parameters> {
  minimax_block(const nn::scope& s, const minimax_sizes& z, std::size_t i)
      : mixed_block(s, z.attention.width, "input_layernorm", "post_attention_layernorm",
                    {s.part("moe"), z.experts, z.chosen, z.attention.width, z.hidden, true}) {
    if (z.is_attention[i]) attention.emplace_back(s.part("self_attn"), z.attention);
    else linear.emplace_back(s.part("self_attn"), z.attention.width, z.attention.heads, z.attention.n);
  }
};
/// x = norm(x), x = a x + b mixer(x); then the same with experts.
class minimax_body : public mixed_body<minimax_block, minimax_sizes> {
 public:
  using mixers = list<mixer_use<lightning_layer::mixer>, mixer_use<softmax_attention::mixer>>;
  using mixed_body::mixed_body;
  template <class R, class On>
  nn::value<R> hidden(nn::tape<R, On>& t, const nn::token_ids& ids) const {
    nn::value<R> x = embedded(t, ids);
    for (const minimax_block& b : blocks_) {
      x = b.before.rms(t, x, eps_);
      x = b.linear.empty() ? nn::map(t, z_.after_attention, x, b.attention.front()(t, x))
                           : nn::map(t, z_.after_lightning, x, b.linear.front()(t, x));
      x = b.between.rms(t, x, eps_);
      x = nn::map(t, z_.after_experts, x, b.feed(t, x));
    }
    return closed(t, x);
  }
  void say(tensor_map& map) const {
    say_outer(map);
    for_blocks([&](const minimax_block& b, const std::string& at) {
      if (!b.linear.empty()) b.linear.front().say(map, at + "self_attn.", z_.attention.width);
      else b.attention.front().say(map, at + "self_attn.", at + "self_attn.");
      const bool old = map.has(at + "block_sparse_moe.gate.weight");
      const std::string feed = at + (old ? "block_sparse_moe." : "mlp.");
      say_experts(map, b.feed, feed + "experts.", at + "moe.", feed + "gate.weight", {"w1.weight", "w3.weight", "w2.weight"});
    });
  }
  /// The decays' rates where the checkpoint has no buffer of them: 2^(-8 (h + 1) / H) (1 - l / (L - 1)).
  template <class W>
  void fill_rates(W& w, const tensor_map& map) const {
    const double L = double(blocks_.size()), H = z_.attention.heads;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const std::string name = name_of(i) + ".self_attn.slope_rate";
      if (blocks_[i].linear.empty() || map.has(name)) continue;
      const auto rate = w(name);
      for (std::size_t h = 0; h < rate.size(); ++h)
        rate[h] = float(std::exp2(-8 * double(h + 1) / H) * (1 - double(i) / (L - 1 + 1e-5) + 1e-5));
    }
  }
};
}  // namespace detail

/// MiniMax: model_type "minimax": lightning attention, attention, experts; a sliding window.
///
/// error   files::file_error for a setting, a tensor or a shape that is not this architecture's
/// source  MiniMax, arXiv:2501.08313; Hugging Face transformers 5.17, MiniMaxForCausalLM
inline std::unique_ptr<language_model> minimax(checkpoint from, int threads) {
  config& c = from.settings;
  const idx width = c.whole("hidden_size"), layers = c.whole("num_hidden_layers", 1, 4096), vocabulary = c.whole("vocab_size");
  detail::minimax_sizes z;
  z.attention = detail::attention_sizes_of(c, width);
  const rope turns = rope::read(c, z.attention.n, 1e6);
  if (turns.share != 1) c.unsupported("partial_rotary_factor", "1");
  z.attention.angles = turns.angles, z.attention.magnitude = turns.magnitude;
  z.attention.window = c.whole_or("sliding_window", 0, 1, idx(1) << 40);
  outer_names names;
  names.tied = c.flag_or("tie_word_embeddings", false);
  names.eps = c.number_or("rms_norm_eps", 1e-5);
  z.is_attention = detail::attention_layers(c, layers, 2);
  if (!c.has("layer_types")) z.is_attention.flip();  // attention first
  z.hidden = c.whole("intermediate_size");
  z.experts = c.whole_or("num_local_experts", 8, 1, 1 << 16), z.chosen = c.whole_or("num_experts_per_tok", 2, 1, z.experts);
  z.after_attention = {c.number_or("full_attn_alpha_factor", 1), c.number_or("full_attn_beta_factor", 1)};
  z.after_lightning = {c.number_or("linear_attn_alpha_factor", 1), c.number_or("linear_attn_beta_factor", 1)};
  z.after_experts = {c.number_or("mlp_alpha_factor", 1), c.number_or("mlp_beta_factor", 1)};
  c.only("hidden_act", "silu");
  c.ignore({"block_size", "output_router_logits", "router_aux_loss_coef", "router_jitter_noise"});  // of training, and of the peers' chunks
  c.finish("minimax");
  detail::minimax_body body(names, vocabulary, z);
  tensor_map map(from.tensors, *body.parameters());
  body.say(map);
  return filled({"minimax", vocabulary, width, layers}, std::move(body), map, threads,
                [](const auto& b, auto& w, const auto& m) { b.fill_rates(w, m); });
}

}  // namespace coefdyn::models
