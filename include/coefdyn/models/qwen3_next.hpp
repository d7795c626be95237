// SPDX-License-Identifier: MIT
#pragma once
#include "delta.hpp"

namespace coefdyn::models {

namespace detail {
/// One MLP: dense, or experts with one that all tokens pass.
struct qwen3_next_feed {
  std::vector<gated_mlp<>> dense, shared;  // one or none
  std::vector<expert_parameters> experts;
  nn::parameter shared_gate;
  qwen3_next_feed(const nn::scope& s, idx width, idx hidden) { dense.emplace_back(s, width, hidden, false); }
  qwen3_next_feed(const nn::scope& s, idx width, idx count, idx chosen, idx hidden, idx shared_hidden, bool normed) {
    experts.emplace_back(s.part("moe"), count, chosen, width, hidden, normed);
    shared.emplace_back(s.part("shared_expert"), width, shared_hidden, false);
    shared_gate = s.matrix("shared_expert_gate.weight", 1, width, nn::start::constant(0));
  }
  template <class R, class On>
  nn::value<R> operator()(nn::tape<R, On>& t, const nn::value<R>& x) const {
    if (!dense.empty()) return dense.front()(t, x);
    const nn::value<R> own = shared.front()(t, x), gate = nn::linear(t, x, shared_gate);
    return nn::add(t, experts.front()(t, x), nn::map(t, times_sigmoid{}, own, gate));
  }
};
/// How experts' parameters under `own` are made of tensors under `from`: one tensor of all, or three of each.
inline void say_experts(tensor_map& map, const expert_parameters& e, const std::string& from, const std::string& own,
                        const std::string& router, const std::array<std::string, 3>& names) {
  map.whole(router, own + "router", {e.experts, e.width});
  if (map.has(from + "gate_up_proj")) {
    map.whole(from + "gate_up_proj", own + "gate_up", {e.experts, 2 * e.hidden, e.width});
    map.whole(from + "down_proj", own + "down", {e.experts, e.width, e.hidden});
    return;
  }
  for (idx i = 0; i < e.experts; ++i) {
    const std::string one = from + std::to_string(i) + ".";
    for (const std::string& name : {names[0], names[1]}) map.tensor(one + name, {e.hidden, e.width});
    map.tensor(one + names[2], {e.width, e.hidden});
    map.rows(one + names[0], own + "gate_up", 0, i * 2 * e.hidden, e.hidden);
    map.rows(one + names[1], own + "gate_up", 0, i * 2 * e.hidden + e.hidden, e.hidden);
    map.rows(one + names[2], own + "down", 0, i * e.width, e.width);
  }
}

struct qwen3_next_sizes {
  attention_sizes attention;
  nn::sizes delta;
  std::vector<bool> is_attention, has_experts;
  idx hidden = 0, experts = 0, chosen = 0, expert_hidden = 0, shared_hidden = 0;
  bool normed = true;
};
struct qwen3_next_block : mixed_block<nn::gated_deltanet, qwen3_next_feed> {
  qwen3_next_block(const nn::scope& s, const qwen3_next_sizes& z, std::size_t i)
      : mixed_block(s, z.attention.width, "input_layernorm", "post_attention_layernorm",
                    z.has_experts[i]
                        ? qwen3_next_feed(s.part("mlp"), z.attention.width, z.experts, z.chosen, z.expert_hidden, z.shared_hidden, z.normed)
                        : qwen3_next_feed(s.part("mlp"), z.attention.width, z.hidden)) {
    if (z.is_attention[i]) attention.emplace_back(s.part("self_attn"), z.attention);
    else linear.emplace_back(s.part("linear_attn"), z.delta);
  }
};
/// x += delta rule or attention (rms x); x += mlp(rms x); norms are published as weight - 1.
class qwen3_next_body : public mixed_body<qwen3_next_block, qwen3_next_sizes> {
 public:
  using mixers = list<mixer_use<coefdyn::mixers::gated_deltanet, heads::grouped_values>, mixer_use<softmax_attention::mixer>>;
  using mixed_body::mixed_body;
  template <class R, class On>
  nn::value<R> hidden(nn::tape<R, On>& t, const nn::token_ids& ids) const {
    nn::across_layers<R> across;
    return pre_normed(t, ids, [&](const qwen3_next_block& b, const nn::value<R>& u) {
      return b.linear.empty() ? b.attention.front()(t, u) : b.linear.front()(t, u, across);
    });
  }
  void say(tensor_map& map) const {
    say_outer(map);
    const auto plus_one = [](double x) { return x + 1; };
    map.through("model.norm.weight", plus_one);
    for_blocks([&](const qwen3_next_block& b, const std::string& at) {
      map.through(at + "input_layernorm.weight", plus_one);
      map.through(at + "post_attention_layernorm.weight", plus_one);
      if (!b.linear.empty()) say_linear(map, at + "linear_attn.");
      else b.attention.front().say(map, at + "self_attn.", at + "self_attn.", 1);
      if (!b.feed.experts.empty())
        say_experts(map, b.feed.experts.front(), at + "mlp.experts.", at + "mlp.moe.", at + "mlp.gate.weight",
                    {"gate_proj.weight", "up_proj.weight", "down_proj.weight"});
    });
  }

 private:
  void say_linear(tensor_map& map, const std::string& at) const {
    const nn::sizes& z = z_.delta;
    const idx keys = idx(z.key_heads) * z.n, values = idx(z.heads) * z.d;
    say_delta(map, at, at, nn::qwen3_next_rows(z),
              {{"in_proj_qkvz.weight", {2 * keys + 2 * values, z.width}},
               {"in_proj_ba.weight", {2 * idx(z.heads), z.width}},
               {"conv1d.weight", {2 * keys + values, 1, z.convolution}},
               {"dt_bias", {z.heads}},
               {"A_log", {z.heads}},
               {"norm.weight", {z.d}},
               {"out_proj.weight", {z.width, values}}});
  }
};
inline void read_experts(config& c, qwen3_next_sizes& z, idx layers) {
  z.hidden = c.whole("intermediate_size"), z.experts = c.whole_or("num_experts", 512, 0, 1 << 16);
  z.chosen = c.whole_or("num_experts_per_tok", 10, 1, 1 << 16);
  z.expert_hidden = c.whole_or("moe_intermediate_size", 512), z.shared_hidden = c.whole_or("shared_expert_intermediate_size", 512);
  z.normed = c.flag_or("norm_topk_prob", true);
  const idx every = c.whole_or("decoder_sparse_step", 1, 1, 4096);
  const std::vector<idx> dense = c.wholes_or("mlp_only_layers", {}, 0, layers - 1);
  for (idx i = 0; i < layers; ++i)
    z.has_experts.push_back(z.experts > 0 && (i + 1) % every == 0 && std::find(dense.begin(), dense.end(), i) == dense.end());
  if (z.experts > 0 && z.chosen > z.experts) c.wrong("num_experts_per_tok", "at most the " + std::to_string(z.experts) + " experts");
}
}  // namespace detail

/// Qwen3-Next: model_type "qwen3_next", with experts or without. Tensors of multi-token prediction are left aside.
///
/// error   files::file_error for a setting, a tensor or a shape that is not this architecture's
/// source  Yang et al., arXiv:2412.06464; Hugging Face transformers 5.17, Qwen3NextForCausalLM
inline std::unique_ptr<language_model> qwen3_next(checkpoint from, int threads) {
  config& c = from.settings;
  const idx width = c.whole("hidden_size"), layers = c.whole("num_hidden_layers", 1, 4096), vocabulary = c.whole("vocab_size");
  detail::qwen3_next_sizes z;
  if (!c.has("head_dim")) c.set("head_dim", 256);
  z.attention = detail::attention_sizes_of(c, width);
  z.attention.bias = z.attention.output_bias = c.flag_or("attention_bias", false);
  z.attention.norm = norm_of_keys::head, z.attention.gated = true;
  const rope turns = rope::read(c, z.attention.n, 1e4, 0.25);
  z.attention.angles = turns.angles, z.attention.magnitude = turns.magnitude;
  outer_names names;
  names.tied = c.flag_or("tie_word_embeddings", false);
  names.eps = z.attention.eps = c.number_or("rms_norm_eps", 1e-6);
  z.delta = detail::delta_sizes(c, width), z.delta.eps = names.eps;
  z.is_attention = detail::attention_layers(c, layers, c.whole_or("full_attention_interval", 4, 1, 4096));
  detail::read_experts(c, z, layers);
  c.only("hidden_act", "silu");
  c.ignore({"output_router_logits", "router_aux_loss_coef"});  // of training
  c.finish("qwen3_next");
  detail::qwen3_next_body body(names, vocabulary, z);
  tensor_map map(from.tensors, *body.parameters());
  body.say(map);
  for (const auto& [name, t] : from.tensors.tensors)
    if (name.starts_with("mtp.")) map.unused(name);
  return filled({"qwen3_next", vocabulary, width, layers}, std::move(body), map, threads);
}

}  // namespace coefdyn::models
