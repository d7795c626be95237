// SPDX-License-Identifier: MIT
#pragma once
#include "../evolution/fixed_scalar.hpp"
#include "../evolution/read_before.hpp"
#include "../normalization/sum.hpp"
#include "../readout/linear.hpp"
#include "../scaling/exp_input.hpp"
#include "rwkv_parts.hpp"

namespace coefdyn::models {

namespace detail {
struct rwkv4_sizes {
  idx width = 0, inner = 0, hidden = 0, layers = 0;
  double eps = 1e-5;
  idx rescale = 0;  // blocks after which activations are halved; 0: never
  double factor(idx block) const { return rescale > 0 ? std::exp2(-double(block / rescale)) : 1; }
};
struct exponential_of {
  template <class X>
  COEFDYN_HD X operator()(X x) const {
    return math::exp(x);
  }
};
struct one_everywhere {
  COEFDYN_HD double operator()(idx) const { return 1; }
};
/// Each channel is a head of one number: sums of e^(k_j - (i - 1 - j) w) v_j and, of the token itself, e^(k_i + u) v_i, over the sum of the
/// weights.
class rwkv4_mixer {
 public:
  using mixer = coefdyn::mixer<readout::linear, evolution::read_before<evolution::fixed_scalar>, scaling::exp_input, normalization::sum>;
  rwkv4_mixer(const nn::scope& s, const rwkv4_sizes& z)
      : inner_(z.inner),
        decay_(s.vector("time_decay", z.inner, nn::start::constant(0))),
        first_(s.vector("time_first", z.inner, nn::start::constant(0))),
        mu_key_(s.vector("time_mix_key", z.width, nn::start::constant(0))),
        mu_value_(s.vector("time_mix_value", z.width, nn::start::constant(0))),
        mu_receptance_(s.vector("time_mix_receptance", z.width, nn::start::constant(0))),
        key_(s.matrix("key.weight", z.inner, z.width, nn::start::constant(0))),
        value_(s.matrix("value.weight", z.inner, z.width, nn::start::constant(0))),
        receptance_(s.matrix("receptance.weight", z.inner, z.width, nn::start::constant(0))),
        output_(s.matrix("output.weight", z.width, z.inner, nn::start::constant(0))) {}
  /// time_decay is kept as the log decay.
  template <class R, class On>
  nn::value<R> operator()(nn::tape<R, On>& t, const nn::value<R>& u) const {
    const nn::value<R> shift = nn::token_shift(t, u);
    const auto blended = [&](const nn::parameter& mu) { return nn::map(t, own_share{}, u, shift, t.shared(mu)); };
    const nn::value<R> k = nn::linear(t, blended(mu_key_), key_), v = nn::linear(t, blended(mu_value_), value_);
    const nn::value<R> ones = nn::constants(t, 1, one_everywhere{}), bonus = nn::map(t, exponential_of{}, t.shared(first_));
    extents e;
    e.batch = e.sequences = u.batch, e.time = u.time, e.readers = e.states = int(inner_), e.queries = e.keys = 1, e.n = e.d = 1;
    nn::mixed_streams<mixer, R> streams;
    for_each_need(needs_of<mixer>{}, [&]<class N>(N) {
      using tag = typename N::tag;
      auto& to = streams.template at<N>();
      if constexpr (std::is_same_v<tag, stream::v>) to = v;
      else if constexpr (std::is_same_v<tag, stream::log_decay>) to = t.shared(decay_);
      else if constexpr (std::is_same_v<tag, stream::u>) to = bonus;
      else if constexpr (std::is_same_v<tag, stream::input_gate>) to = k;
      else to = ones;  // q and k
    });
    const nn::value<R> y = nn::mix<mixer, heads::grouped_values>(t, streams, e);
    return nn::linear(t, nn::map(t, sigmoid_times{}, nn::linear(t, blended(mu_receptance_), receptance_), y), output_);
  }

 private:
  idx inner_;
  nn::parameter decay_, first_, mu_key_, mu_value_, mu_receptance_, key_, value_, receptance_, output_;
};
/// x = norm(x) before the first; x += mixer(norm x); x += channel mix(norm x).
class rwkv4_body : public outer_body {
 public:
  using mixers = list<mixer_use<rwkv4_mixer::mixer, heads::grouped_values>>;
  rwkv4_body(outer_names names, idx vocabulary, const rwkv4_sizes& z)
      : outer_body(names, vocabulary, z.width), z_(z), first_(root(), "rwkv.blocks.0.pre_ln", z.width, true) {
    for (idx i = 0; i < z.layers; ++i) blocks_.emplace_back(root().part("rwkv.blocks." + std::to_string(i)), z);
  }
  static int mixer_of(idx) { return 0; }
  template <class R, class On>
  nn::value<R> hidden(nn::tape<R, On>& t, const nn::token_ids& ids) const {
    nn::value<R> x = first_.layer(t, embedded(t, ids), z_.eps);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const block& b = blocks_[i];
      x = nn::add(t, x, b.attention(t, b.before.layer(t, x, z_.eps)));
      x = nn::add(t, x, b.feed(t, b.between.layer(t, x, z_.eps)));
      if (z_.rescale > 0 && (idx(i) + 1) % z_.rescale == 0) x = nn::map(t, scaled_by{0.5}, x);
    }
    return closed(t, x);
  }
  /// `log_decays`: time_decay is stored as -exp(w), as rwkv.cpp does. Tensors have the names of transformers or of the authors.
  void say(tensor_map& map, const files::named_tensors& from, bool log_decays) const {
    say_outer(map);
    const bool authors = from.has("blocks.0.att.time_first");
    if (authors)
      for (const auto& e : parameters()->entries()) say_vector_or_matrix(map, from, authors_name(e.name), e);
    const auto named = [authors](const std::string& name) { return authors ? authors_name(name) : name; };
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const std::string at = "rwkv.blocks." + std::to_string(i) + ".", mix = at + "attention.", feed = at + "feed_forward.";
      const auto decay = [log_decays](double w) { return log_decays ? w : -std::exp(w); };
      say_vector(map, from, named(mix + "time_decay"), mix + "time_decay", z_.inner, decay);
      for (const char* name : {"time_mix_key", "time_mix_value", "time_mix_receptance"})
        say_vector(map, from, named(mix + name), mix + name, z_.width);
      for (const char* name : {"time_mix_key", "time_mix_receptance"}) say_vector(map, from, named(feed + name), feed + name, z_.width);
      const double factor = z_.factor(idx(i));
      const auto scaled = [factor](double w) { return factor * w; };
      if (factor == 1) continue;
      map.whole(named(mix + "output.weight"), mix + "output.weight", {z_.width, z_.inner}, scaled);
      map.whole(named(feed + "value.weight"), feed + "value.weight", {z_.width, z_.hidden}, scaled);
    }
  }

 private:
  /// A parameter's name in the authors' files.
  static std::string authors_name(std::string name) {
    const std::pair<const char*, const char*> words[] = {{"rwkv.embeddings", "emb"},
                                                         {"rwkv.", ""},
                                                         {"attention", "att"},
                                                         {"feed_forward", "ffn"},
                                                         {"pre_ln", "ln0"},
                                                         {"time_mix_key", "time_mix_k"},
                                                         {"time_mix_value", "time_mix_v"},
                                                         {"time_mix_receptance", "time_mix_r"}};
    for (const auto& [word, by] : words)
      if (const auto at = name.find(word); at != std::string::npos) name.replace(at, std::string(word).size(), by);
    return name;
  }
  static void say_vector_or_matrix(tensor_map& map, const files::named_tensors& from, const std::string& tensor,
                                   const nn::parameter_entry& e) {
    if (e.shape.size() == 1) say_vector(map, from, tensor, e.name, e.shape[0]);
    else map.whole(tensor, e.name, e.shape);
  }
  struct block {
    nn::norm_parameters before, between;
    rwkv4_mixer attention;
    channel_mix<own_share> feed;
    block(const nn::scope& s, const rwkv4_sizes& z)
        : before(s, "ln1", z.width, true),
          between(s, "ln2", z.width, true),
          attention(s.part("attention"), z),
          feed(s.part("feed_forward"), z.width, z.hidden, {"time_mix_key", "time_mix_receptance"}) {}
  };
  rwkv4_sizes z_;
  nn::norm_parameters first_;
  std::vector<block> blocks_;
};
}  // namespace detail

/// RWKV-4: model_type "rwkv", with the names of transformers and its config.json, or with the authors' names, sizes then being those of the
/// tensors. Activations are halved every rescale_every blocks, as transformers does outside training.
///
/// error   files::file_error for a setting, a tensor or a shape that is not this architecture's
/// source  Peng et al., arXiv:2305.13048; Hugging Face transformers 5.17, RwkvForCausalLM
inline std::unique_ptr<language_model> rwkv4(checkpoint from, int threads) {
  config& c = from.settings;
  if (from.tensors.has("blocks.0.att.time_first")) {
    const detail::rwkv_shapes z(from.tensors, "time_first");
    c.set("hidden_size", z.width), c.set("num_hidden_layers", z.layers), c.set("vocab_size", z.vocabulary);
    c.set("intermediate_size", z.hidden), c.set("rescale_every", 0);
  }
  detail::rwkv4_sizes z;
  z.width = c.whole("hidden_size"), z.layers = c.whole("num_hidden_layers", 1, 4096);
  z.inner = c.whole_or("attention_hidden_size", z.width), z.hidden = c.whole_or("intermediate_size", 4 * z.width);
  z.eps = c.number_or("layer_norm_epsilon", 1e-5), z.rescale = c.whole_or("rescale_every", 6, 0, 4096);
  outer_names names;
  names.embeddings = "rwkv.embeddings.weight", names.norm = "rwkv.ln_out", names.head = "head.weight";
  names.tied = c.flag_or("tie_word_embeddings", false);
  names.kind = nn::norm::layer, names.eps = 1e-5;
  c.ignore({"context_length"});  // of the peers' kernel: a state has no limit
  const idx vocabulary = c.whole("vocab_size");
  const bool log_decays = c.text_or("time_decay", "") == "applied";
  c.finish("rwkv");
  detail::rwkv4_body body(names, vocabulary, z);
  tensor_map map(from.tensors, *body.parameters());
  body.say(map, from.tensors, log_decays);
  return filled({"rwkv", vocabulary, z.width, z.layers}, std::move(body), map, threads);
}

}  // namespace coefdyn::models
