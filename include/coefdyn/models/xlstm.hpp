// SPDX-License-Identifier: MIT
#pragma once
#include "../nn/layers/gated_linear.hpp"
#include "body.hpp"
#include "running.hpp"

namespace coefdyn::models {

namespace detail {
/// x += mlstm(rms x); x += swiglu(rms x).
class xlstm_body : public outer_body {
 public:
  using mixers = list<mixer_use<coefdyn::mixers::mlstm>>;
  xlstm_body(outer_names names, idx vocabulary, const nn::sizes& z, idx layers, idx hidden)
      : outer_body(names, vocabulary, z.width), z_(z), hidden_(hidden), eps_(names.eps) {
    for (idx i = 0; i < layers; ++i) blocks_.emplace_back(root().part("backbone.blocks." + std::to_string(i)), z, hidden);
  }
  static int mixer_of(idx) { return 0; }
  template <class R, class On>
  nn::value<R> hidden(nn::tape<R, On>& t, const nn::token_ids& ids) const {
    nn::value<R> x = embedded(t, ids);
    nn::across_layers<R> across;
    for (const block& b : blocks_) {
      x = nn::add(t, x, b.mixer(t, b.before.rms(t, x, eps_), across));
      x = nn::add(t, x, b.feed(t, b.between.rms(t, x, eps_)));
    }
    return closed(t, x);
  }
  /// `fused`: weight_mode, with one matrix for several projections.
  void say(tensor_map& map, bool fused) const {
    say_outer(map);
    const idx q = idx(z_.heads) * z_.n, v = idx(z_.heads) * z_.d, H = z_.heads;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const std::string from = "backbone.blocks." + std::to_string(i) + ".", at = from + "mlstm_layer.", feed = from + "ffn.";
      map.whole(feed + "proj_down.weight", feed + "down_proj.weight", {z_.width, hidden_});
      if (!fused) {
        map.whole(feed + "proj_up_gate.weight", feed + "gate_proj.weight", {hidden_, z_.width});
        map.whole(feed + "proj_up.weight", feed + "up_proj.weight", {hidden_, z_.width});
        continue;
      }
      const auto cut = [&](const std::string& tensor, std::vector<idx> shape, std::vector<std::pair<std::string, idx>> parts) {
        map.tensor(tensor, std::move(shape));
        idx first = 0;
        for (const auto& [own, count] : parts) map.rows(tensor, own, first, 0, count), first += count;
      };
      cut(feed + "proj_up_gate_z.weight", {2 * hidden_, z_.width},
          {{feed + "gate_proj.weight", hidden_}, {feed + "up_proj.weight", hidden_}});
      cut(at + "qkv_opreact.weight", {2 * q + 2 * v, z_.width},
          {{at + "q.weight", q}, {at + "k.weight", q}, {at + "v.weight", v}, {at + "ogate_preact.weight", v}});
      cut(at + "ifgate_preact.weight", {2 * H, z_.width}, {{at + "igate_preact.weight", H}, {at + "fgate_preact.weight", H}});
      cut(at + "ifgate_preact.bias", {2 * H}, {{at + "igate_preact.bias", H}, {at + "fgate_preact.bias", H}});
    }
  }

 private:
  struct block {
    nn::norm_parameters before, between;
    nn::mlstm mixer;
    gated_mlp<> feed;
    block(const nn::scope& s, const nn::sizes& z, idx hidden)
        : before(s, "norm_mlstm", z.width, false),
          between(s, "norm_ffn", z.width, false),
          mixer(s.part("mlstm_layer"), z),
          feed(s.part("ffn"), z.width, hidden, false) {}
  };
  nn::sizes z_;
  idx hidden_;
  double eps_;
  std::vector<block> blocks_;
};
/// A share of a width, as config.json gives one, over the heads.
inline int xlstm_channels(config& c, const std::string& factor, double usual, idx width, int heads) {
  const idx all = idx(c.number_or(factor, usual) * double(width));
  if (all < 1 || all % heads)
    c.wrong(factor, "a factor that makes a multiple of the " + std::to_string(heads) + " heads of " + std::to_string(width));
  return int(all / heads);
}
}  // namespace detail

/// xLSTM's mLSTM stack: model_type "xlstm", weight_mode single or fused. The peers' epsilon beside the denominator is left out, as in
/// normalization::floored_sum.
///
/// error   files::file_error for a setting, a tensor or a shape that is not this architecture's
/// source  Beck et al., arXiv:2503.13427; Hugging Face transformers 5.17, xLSTMForCausalLM
inline std::unique_ptr<language_model> xlstm(checkpoint from, int threads) {
  config& c = from.settings;
  const idx width = c.has("hidden_size") ? c.whole("hidden_size") : c.whole("embedding_dim");
  const idx layers = c.has("num_hidden_layers") ? c.whole("num_hidden_layers", 1, 4096) : c.whole("num_blocks", 1, 4096);
  c.only("embedding_dim", width), c.only("num_blocks", layers);
  nn::sizes z;
  z.width = width, z.heads = int(c.whole_or("num_heads", 8, 1, 1 << 16));
  z.n = detail::xlstm_channels(c, "qk_dim_factor", 0.5, width, z.heads);
  z.d = detail::xlstm_channels(c, "v_dim_factor", 1, width, z.heads);
  z.cap = c.number_or("gate_soft_cap", 15);
  if (!(z.cap > 0)) c.wrong("gate_soft_cap", "a number above 0");
  outer_names names;
  names.embeddings = "backbone.embeddings.weight", names.norm = "backbone.out_norm";
  names.tied = c.flag_or("tie_word_embeddings", false);
  names.eps = z.eps = c.number_or("norm_eps", 1e-6);
  names.cap = c.number_or("output_logit_soft_cap", 30);
  if (!(names.cap > 0)) c.wrong("output_logit_soft_cap", "a number above 0");
  if (!(c.number_or("eps", 1e-6) <= 1e-5)) c.unsupported("eps", "at most 1e-5", "it is left out beside a denominator");
  const double up = c.number_or("ffn_proj_factor", 2.667) * double(width);
  const double step = double(c.whole_or("ffn_round_up_to_multiple_of", 64));
  if (!(up >= 1 && up < 1e9)) c.wrong("ffn_proj_factor", "a number above 0");
  const idx hidden = idx(std::ceil(up / step) * step), vocabulary = c.whole("vocab_size");
  c.only("use_bias", false), c.only("add_out_norm", true);
  const std::string mode = c.text_or("weight_mode", "single");
  if (mode != "single" && mode != "fused") c.unsupported("weight_mode", "single or fused");
  c.ignore({"autocast_kernel_dtype", "chunk_size", "chunkwise_kernel", "inference_state_dtype", "max_inference_chunksize", "mode",
            "norm_reduction_force_float32", "return_last_states", "sequence_kernel", "step_kernel"});  // how the peers compute the same
  c.finish("xlstm");
  detail::xlstm_body body(names, vocabulary, z, layers, hidden);
  tensor_map map(from.tensors, *body.parameters());
  body.say(map, mode == "fused");
  return filled({"xlstm", vocabulary, width, layers}, std::move(body), map, threads);
}

}  // namespace coefdyn::models
