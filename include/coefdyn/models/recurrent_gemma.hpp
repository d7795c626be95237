// SPDX-License-Identifier: MIT
#pragma once
#include "../evolution/scalar.hpp"
#include "../normalization/one.hpp"
#include "../readout/linear.hpp"
#include "../scaling/sqrt_one_minus_lambda2.hpp"
#include "blocks.hpp"

namespace coefdyn::models {

namespace detail {
struct recurrent_gemma_sizes {
  attention_sizes attention;
  std::vector<bool> is_attention;
  idx lru = 0, hidden = 0;
  int convolution = 4;
};
/// log a = -8 sigmoid(gate) softplus(parameter), and -inf at a sequence's first token, before which there is nothing to keep.
template <class R>
struct lru_decays {
  nn::value<R> gate, decay;
  const R* parameter;
  idx seen;
  COEFDYN_HD void operator()(idx i, idx first, idx last) const {
    const bool begins = seen == 0 && i % gate.time == 0;
    for (idx c = first; c < last; ++c)
      decay.data[i * decay.stride + c] =
          begins ? -math::infinity<R>() : R(-8) * math::sigmoid(gate.data[i * gate.stride + c]) * math::softplus(parameter[c]);
  }
};
struct constant_one {
  COEFDYN_HD double operator()(idx) const { return 1; }
};
/// The RG-LRU between a convolution and a gate: each channel is a head of one number, h = a h + sqrt(1 - a^2) x sigmoid(gate).
class rg_lru {
 public:
  using mixer = coefdyn::mixer<readout::linear, evolution::scalar, scaling::sqrt_one_minus_lambda2, normalization::one>;
  rg_lru(const nn::scope& s, idx width, idx lru, int heads, int convolution)
      : lru_(lru),
        y_(s, "linear_y", width, lru, true),
        x_(s, "linear_x", width, lru, true),
        out_(s, "linear_out", lru, width, true),
        kernel_(s.tensor("conv_1d.weight", {lru, 1, convolution}, nn::start::constant(0), true)),
        kernel_bias_(s.vector("conv_1d.bias", lru, nn::start::constant(0))),
        input_(s.matrix("rg_lru.input_gate_weight", lru, lru / heads, nn::start::constant(0))),
        input_bias_(s.vector("rg_lru.input_gate_bias", lru, nn::start::constant(0))),
        recurrent_(s.matrix("rg_lru.recurrent_gate_weight", lru, lru / heads, nn::start::constant(0))),
        recurrent_bias_(s.vector("rg_lru.recurrent_gate_bias", lru, nn::start::constant(0))),
        rate_(s.vector("rg_lru.recurrent_param", lru, nn::start::constant(0))) {}
  template <class R, class On>
  nn::value<R> operator()(nn::tape<R, On>& t, const nn::value<R>& u) const {
    const nn::value<R> gate = nn::map(t, nn::gelu_tanh{}, y_(t, u)), x = convolve_plainly(t, x_(t, u), kernel_, kernel_bias_);
    const nn::value<R> v = nn::map(t, times_sigmoid{}, x, linear_by_blocks(t, x, input_, input_bias_));
    const nn::value<R> decay = t.make(u.batch, u.time, lru_);
    t.elements(
        decay.rows(), lru_,
        lru_decays<R>{linear_by_blocks(t, x, recurrent_, recurrent_bias_), decay, t.weights(rate_), t.before() ? t.before()->length() : 0});
    const nn::value<R> one = nn::constants(t, 1, constant_one{});
    extents e;
    e.batch = e.sequences = u.batch, e.time = u.time, e.readers = e.states = int(lru_), e.queries = e.keys = 1, e.n = e.d = 1;
    const nn::value<R> y = mixed<mixer, heads::grouped_values>(t, e, one, one, v, decay);
    return out_(t, nn::map(t, nn::product_of{}, y, gate));
  }
  /// The published blocks stand as x W; here as W x.
  void say(tensor_map& map, const std::string& at) const {
    const idx n = input_.columns, heads = lru_ / n;
    for (const std::string gate : {"input_gate", "recurrent_gate"}) {
      const std::string name = at + "rg_lru." + gate;
      map.numbers(name + "_weight", name + "_weight", {heads, n, n}, [n](idx i) {
        const idx block = i / (n * n), out = i / n % n, in = i % n;
        return (block * n + in) * n + out;
      });
      map.whole(name + "_bias", name + "_bias", {heads, n});
    }
  }

 private:
  idx lru_;
  nn::projection_parameters y_, x_, out_;
  nn::parameter kernel_, kernel_bias_, input_, input_bias_, recurrent_, recurrent_bias_, rate_;
};
struct recurrent_gemma_block : mixed_block<rg_lru, gated_mlp<nn::gelu_tanh>> {
  recurrent_gemma_block(const nn::scope& s, const recurrent_gemma_sizes& z, std::size_t i)
      : mixed_block(s, z.attention.width, "temporal_pre_norm", "channel_pre_norm",
                    {s.part("mlp_block"), z.attention.width, z.hidden, true}) {
    if (z.is_attention[i]) attention.emplace_back(s.part("temporal_block"), z.attention);
    else linear.emplace_back(s.part("temporal_block"), z.attention.width, z.lru, z.attention.heads, z.convolution);
  }
};
/// x += temporal(rms x); x += mlp(rms x); norms are published as weight - 1.
class recurrent_gemma_body : public mixed_body<recurrent_gemma_block, recurrent_gemma_sizes> {
 public:
  using mixers = list<mixer_use<rg_lru::mixer, heads::grouped_values>, mixer_use<softmax_attention::mixer>>;
  using mixed_body::mixed_body;
  template <class R, class On>
  nn::value<R> hidden(nn::tape<R, On>& t, const nn::token_ids& ids) const {
    return pre_normed(t, ids, [&](const recurrent_gemma_block& b, const nn::value<R>& u) {
      return b.linear.empty() ? b.attention.front()(t, u) : b.linear.front()(t, u);
    });
  }
  void say(tensor_map& map) const {
    say_outer(map);
    const auto plus_one = [](double x) { return x + 1; };
    map.through("model.final_norm.weight", plus_one);
    for_blocks([&](const recurrent_gemma_block& b, const std::string& at) {
      map.through(at + "temporal_pre_norm.weight", plus_one), map.through(at + "channel_pre_norm.weight", plus_one);
      if (!b.linear.empty()) b.linear.front().say(map, at + "temporal_block.");
      else b.attention.front().say(map, at + "temporal_block.", at + "temporal_block.");
    });
  }
};
/// The square root of a width as bfloat16, to which transformers rounds it.
inline double root_in_bf16(idx width) { return double(float(bf16(float(std::sqrt(double(width)))))); }
}  // namespace detail

/// RecurrentGemma (Griffin): model_type "recurrent_gemma": RG-LRU, and attention within a window.
///
/// error   files::file_error for a setting, a tensor or a shape that is not this architecture's
/// source  De et al., arXiv:2402.19427; Hugging Face transformers 5.17, RecurrentGemmaForCausalLM
inline std::unique_ptr<language_model> recurrent_gemma(checkpoint from, int threads) {
  config& c = from.settings;
  const idx width = c.whole("hidden_size"), layers = c.whole("num_hidden_layers", 1, 4096), vocabulary = c.whole("vocab_size");
  detail::recurrent_gemma_sizes z;
  z.attention = detail::attention_sizes_of(c, width);
  if (idx(z.attention.heads) * z.attention.n != width) c.unsupported("head_dim", "hidden_size / num_attention_heads");
  z.attention.bias = c.flag_or("attention_bias", false), z.attention.output_bias = true;
  const rope turns = rope::read(c, z.attention.n, 1e4, 0.5);
  z.attention.angles = turns.angles, z.attention.magnitude = turns.magnitude;
  z.attention.window = c.whole_or("attention_window_size", 2048, 1, idx(1) << 40);
  z.lru = c.whole_or("lru_width", width), z.convolution = int(c.whole_or("conv1d_width", 4, 1, 1 << 10));
  if (z.lru % z.attention.heads) c.wrong("lru_width", "a multiple of the " + std::to_string(z.attention.heads) + " heads");
  const idx twice = c.whole_or("intermediate_size", 3 * width, 2);
  z.hidden = twice / 2;
  const std::vector<std::string> usual{"recurrent", "recurrent", "attention"},
      types = c.has("block_types") ? c.texts("block_types") : usual;
  for (const std::string& type : types)
    if (type != "recurrent" && type != "attention") c.unsupported("block_types", "recurrent and attention");
  if (types.empty()) c.wrong("block_types", "a list of at least one word");
  for (idx i = 0; i < layers; ++i) z.is_attention.push_back(types[std::size_t(i) % types.size()] == "attention");
  outer_names names;
  names.norm = "model.final_norm";
  names.tied = c.flag_or("tie_word_embeddings", true);
  names.eps = c.number_or("rms_norm_eps", 1e-6);
  names.cap = c.number_or("logits_soft_cap", 30), names.embedding_scale = detail::root_in_bf16(width);
  if (!(names.cap > 0)) c.wrong("logits_soft_cap", "a number above 0");
  c.only("hidden_activation", "gelu_pytorch_tanh");
  c.ignore({"w_init_variance_scale", "final_w_init_variance_scale"});  // of the start of training
  c.finish("recurrent_gemma");
  detail::recurrent_gemma_body body(names, vocabulary, z);
  tensor_map map(from.tensors, *body.parameters());
  body.say(map);
  return filled({"recurrent_gemma", vocabulary, width, layers}, std::move(body), map, threads);
}

}  // namespace coefdyn::models
