// SPDX-License-Identifier: MIT
#pragma once
#include "../evolution/fixed_diagonal.hpp"
#include "../evolution/read_before.hpp"
#include "../normalization/one.hpp"
#include "../readout/linear.hpp"
#include "../scaling/one.hpp"
#include "rwkv_parts.hpp"

namespace coefdyn::models {

namespace detail {
/// y = r' (S + diag(u) k v'), S = diag(lambda) S + k v'; a norm of each head, a silu gate.
class rwkv5_mixer {
 public:
  using mixer = coefdyn::mixer<readout::linear, evolution::read_before<evolution::fixed_diagonal>, scaling::one, normalization::one>;
  rwkv5_mixer(const nn::scope& s, idx width, int heads, int n)
      : heads_(heads),
        n_(n),
        decay_(s.vector("time_decay", width, nn::start::constant(0))),
        bonus_(s.vector("time_faaaa", width, nn::start::constant(0))),
        norm_(s, "ln_x", width, true),
        output_(s.matrix("output.weight", width, width, nn::start::constant(0))) {
    const char *const blends[] = {"time_mix_r", "time_mix_k", "time_mix_v", "time_mix_g"}, *const names[] = {"receptance.weight",
                                                                                                             "key.weight", "value.weight",
                                                                                                             "gate.weight"};
    for (int i = 0; i < 4; ++i) {
      mu_[i] = s.vector(blends[i], width, nn::start::constant(0));
      in_[i] = s.matrix(names[i], width, width, nn::start::constant(0));
    }
  }
  /// time_decay is kept as the log decay.
  template <class R, class On>
  nn::value<R> operator()(nn::tape<R, On>& t, const nn::value<R>& u) const {
    const nn::value<R> shift = nn::token_shift(t, u);
    nn::value<R> of[4];
    for (int i = 0; i < 4; ++i) of[i] = nn::linear(t, nn::map(t, own_share{}, u, shift, t.shared(mu_[i])), in_[i]);
    extents e;
    e.batch = e.sequences = u.batch, e.time = u.time, e.readers = e.queries = e.keys = e.states = heads_, e.n = e.d = n_;
    const nn::value<R> y = mixed<mixer, heads::grouped_queries>(t, e, of[0], of[1], of[2], t.shared(decay_), t.shared(bonus_));
    const nn::value<R> normed = nn::normalise<nn::norm::layer>(t, y, n_, 1e-5, norm_.weight, norm_.bias);
    return nn::linear(t, nn::map(t, nn::times<nn::silu>{}, normed, of[3]), output_);
  }

 private:
  int heads_, n_;
  nn::parameter decay_, bonus_, mu_[4], in_[4];
  nn::norm_parameters norm_;
  nn::parameter output_;
};
/// x = norm(x) before the first; x += mixer(norm x); x += channel mix(norm x).
class rwkv5_body : public outer_body {
 public:
  using mixers = list<mixer_use<rwkv5_mixer::mixer>>;
  rwkv5_body(const outer_names& names, const rwkv_shapes& z, int heads)
      : outer_body(names, z.vocabulary, z.width), z_(z), heads_(heads), first_(root(), "blocks.0.ln0", z.width, true) {
    for (idx i = 0; i < z.layers; ++i) blocks_.emplace_back(root().part("blocks." + std::to_string(i)), z, heads);
  }
  static int mixer_of(idx) { return 0; }
  template <class R, class On>
  nn::value<R> hidden(nn::tape<R, On>& t, const nn::token_ids& ids) const {
    nn::value<R> x = first_.layer(t, embedded(t, ids), 1e-5);
    for (const block& b : blocks_) {
      x = nn::add(t, x, b.attention(t, b.before.layer(t, x, 1e-5)));
      x = nn::add(t, x, b.feed(t, b.between.layer(t, x, 1e-5)));
    }
    return closed(t, x);
  }
  /// `applied`: time_decay is stored as lambda = exp(-exp(w)), as rwkv.cpp does.
  void say(tensor_map& map, const files::named_tensors& from, bool applied) const {
    for (const auto& e : parameters()->entries())
      if (e.shape.size() == 1 && !e.name.ends_with("time_decay") && !e.name.ends_with("time_faaaa"))
        say_vector(map, from, e.name, e.name, e.shape[0]);
    const idx n = z_.width / heads_;
    for (idx i = 0; i < z_.layers; ++i)
      for (const std::string name : {"time_decay", "time_faaaa"}) {
        const std::string tensor = "blocks." + std::to_string(i) + ".att." + name;
        const bool third = from.has(tensor) && from.at(tensor).shape.size() == 3;
        std::function<double(double)> f;
        if (name == "time_decay") f = [applied](double w) { return applied ? std::log(w) : -std::exp(w); };
        map.whole(tensor, tensor, third ? std::vector<idx>{heads_, n, 1} : std::vector<idx>{heads_, n}, f);
      }
  }

 private:
  struct block {
    nn::norm_parameters before, between;
    rwkv5_mixer attention;
    channel_mix<own_share> feed;
    block(const nn::scope& s, const rwkv_shapes& z, int heads)
        : before(s, "ln1", z.width, true),
          between(s, "ln2", z.width, true),
          attention(s.part("att"), z.width, heads, int(z.width / heads)),
          feed(s.part("ffn"), z.width, z.hidden, {"time_mix_k", "time_mix_r"}) {}
  };
  rwkv_shapes z_;
  int heads_;
  nn::norm_parameters first_;
  std::vector<block> blocks_;
};
}  // namespace detail

/// RWKV-5.2 by its authors' names, whose tensors show the sizes: decays a channel, and a gate. The norm after the mixer has an eps of 1e-5,
/// as rwkv.cpp has it.
///
/// error   files::file_error for a tensor or a shape that is not this architecture's: RWKV-5.0 and 5.1 have one decay a head
/// source  Peng et al., arXiv:2404.05892; https://github.com/RWKV/rwkv.cpp
inline std::unique_ptr<language_model> rwkv5(checkpoint from, int threads) {
  config& c = from.settings;
  const detail::rwkv_shapes z(from.tensors, "time_decay");
  const std::vector<idx>& decay = from.tensors.at("blocks.0.att.time_decay").shape;
  if (decay.size() < 2 || decay[0] < 1 || z.width % decay[0] || decay[1] != z.width / decay[0])
    files::detail::refuse(from.tensors.path, "tensor 'blocks.0.att.time_decay': expected heads and channels of RWKV-5.2, given shape " +
                                                 detail::text_of(decay) + "; RWKV-5.0 and 5.1 are not read");
  outer_names names;
  names.embeddings = "emb.weight", names.norm = "ln_out", names.head = "head.weight", names.kind = nn::norm::layer, names.eps = 1e-5;
  const bool applied = c.text_or("time_decay", "") == "applied";
  c.finish("rwkv5");
  detail::rwkv5_body body(names, z, int(decay[0]));
  tensor_map map(from.tensors, *body.parameters());
  body.say(map, from.tensors, applied);
  return filled({"rwkv5", z.vocabulary, z.width, z.layers}, std::move(body), map, threads);
}

}  // namespace coefdyn::models
