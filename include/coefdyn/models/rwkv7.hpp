// SPDX-License-Identifier: MIT
#pragma once
#include "../nn/layers/rwkv.hpp"
#include "rwkv_parts.hpp"

namespace coefdyn::models {

namespace detail {
/// x = norm(x) before the first; x += rwkv7(norm x); x += V relu(K k)^2.
class rwkv7_body : public outer_body {
 public:
  using mixers = list<mixer_use<coefdyn::mixers::rwkv7>>;
  rwkv7_body(const outer_names& names, const rwkv_shapes& z, const nn::sizes& layer)
      : outer_body(names, z.vocabulary, z.width), z_(z), layer_(layer), first_(root(), "blocks.0.ln0", z.width, true) {
    for (idx i = 0; i < z.layers; ++i) {
      nn::sizes one = layer;
      one.layer = int(i), one.layers = int(z.layers);
      blocks_.emplace_back(root().part("blocks." + std::to_string(i)), z, one);
    }
  }
  static int mixer_of(idx) { return 0; }
  template <class R, class On>
  nn::value<R> hidden(nn::tape<R, On>& t, const nn::token_ids& ids) const {
    nn::value<R> x = first_.layer(t, embedded(t, ids), 1e-5);
    nn::across_layers<R> across;
    for (const block& b : blocks_) {
      x = nn::add(t, x, b.attention(t, b.before.layer(t, x, 1e-5), across));
      x = nn::add(t, x, b.feed(t, b.between.layer(t, x, 1e-5)));
    }
    return closed(t, x);
  }
  void say(tensor_map& map, const files::named_tensors& from) const {
    for (idx i = 0; i < z_.layers; ++i) {
      const std::string at = "blocks." + std::to_string(i) + ".att.";
      say_vector(map, from, "blocks." + std::to_string(i) + ".ffn.x_k", "blocks." + std::to_string(i) + ".ffn.x_k", z_.width);
      for (const char* name : {"x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "k_k", "k_a"})
        say_vector(map, from, at + name, at + name, z_.width);
      for (const auto& [published, own] :
           {std::pair("receptance", "r_proj"), std::pair("key", "k_proj"), std::pair("value", "v_proj"), std::pair("output", "o_proj")})
        map.whole(at + published + ".weight", at + own + ".weight", {z_.width, z_.width});
      say_vector(map, from, at + "ln_x.weight", at + "g_norm.weight", z_.width);
      say_vector(map, from, at + "ln_x.bias", at + "g_norm.bias", z_.width);
      say_low_rank(map, from, at, "w", layer_.decay_rank), say_low_rank(map, from, at, "a", layer_.rate_rank);
      say_low_rank(map, from, at, "g", layer_.gate_rank);
      if (i > 0) say_low_rank(map, from, at, "v", layer_.value_rank);
      else
        for (const char* name : {"v0", "v1", "v2"}) map.unused(at + name);  // the first layer's values are drawn nowhere
    }
  }

 private:
  /// x W1, f, W2 + w0: the published matrices stand as (inputs, outputs).
  void say_low_rank(tensor_map& map, const files::named_tensors& from, const std::string& at, const std::string& name, idx rank) const {
    const idx width = z_.width;
    const std::string own = at + name + "_lora.lora.";
    map.numbers(at + name + "1", own + "0.weight", {width, rank}, [=](idx i) { return i % width * rank + i / width; });
    map.numbers(at + name + "2", own + "2.weight", {rank, width}, [=](idx i) { return i % rank * width + i / rank; });
    if (name != "g") say_vector(map, from, at + name + "0", own + "2.bias", width);
  }
  struct block {
    nn::norm_parameters before, between;
    nn::rwkv7 attention;
    channel_mix<share_before> feed;
    block(const nn::scope& s, const rwkv_shapes& z, const nn::sizes& layer)
        : before(s, "ln1", z.width, true),
          between(s, "ln2", z.width, true),
          attention(s.part("att"), layer),
          feed(s.part("ffn"), z.width, z.hidden, {"x_k", nullptr}) {}
  };
  rwkv_shapes z_;
  nn::sizes layer_;
  nn::norm_parameters first_;
  std::vector<block> blocks_;
};
/// The rank that a low-rank projection's first matrix has.
inline int rank_of(const files::named_tensors& from, const std::string& name, idx width) {
  const std::vector<idx>& shape = from.at(name).shape;
  if (shape.size() != 2 || shape[0] != width || shape[1] < 1 || shape[1] > (1 << 20))
    files::detail::refuse(from.path,
                          "tensor '" + name + "': expected a matrix of " + std::to_string(width) + " rows, given shape " + text_of(shape));
  return int(shape[1]);
}
}  // namespace detail

/// RWKV-7 by its authors' names, whose tensors show the sizes. Its norm after the mixer has an eps of 64e-5.
///
/// error   files::file_error for a tensor or a shape that is not this architecture's
/// source  Peng et al., arXiv:2503.14456; https://github.com/BlinkDL/RWKV-LM, RWKV-v7
inline std::unique_ptr<language_model> rwkv7(checkpoint from, int threads) {
  const detail::rwkv_shapes z(from.tensors, "r_k");
  const std::vector<idx>& heads = from.tensors.at("blocks.0.att.r_k").shape;
  if (heads.size() != 2 || heads[0] < 1 || heads[0] * heads[1] != z.width)
    files::detail::refuse(from.tensors.path, "tensor 'blocks.0.att.r_k': expected heads and channels that make " + std::to_string(z.width) +
                                                 ", given shape " + detail::text_of(heads));
  nn::sizes layer;
  layer.width = z.width, layer.heads = int(heads[0]), layer.n = layer.d = int(heads[1]), layer.eps = 64e-5 / double(heads[1]);
  layer.decay_rank = detail::rank_of(from.tensors, "blocks.0.att.w1", z.width);
  layer.rate_rank = detail::rank_of(from.tensors, "blocks.0.att.a1", z.width);
  layer.gate_rank = detail::rank_of(from.tensors, "blocks.0.att.g1", z.width);
  if (z.layers > 1) layer.value_rank = detail::rank_of(from.tensors, "blocks.1.att.v1", z.width);
  outer_names names;
  names.embeddings = "emb.weight", names.norm = "ln_out", names.head = "head.weight", names.kind = nn::norm::layer, names.eps = 1e-5;
  from.settings.ignore({"time_decay"});
  from.settings.finish("rwkv7");
  detail::rwkv7_body body(names, z, layer);
  tensor_map map(from.tensors, *body.parameters());
  body.say(map, from.tensors);
  return filled({"rwkv7", z.vocabulary, z.width, z.layers}, std::move(body), map, threads);
}

}  // namespace coefdyn::models
