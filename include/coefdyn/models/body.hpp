// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>

#include "../nn/embedding.hpp"
#include "../nn/mlp.hpp"
#include "../nn/normalise.hpp"
#include "checkpoint.hpp"
#include "operations.hpp"

/// What bodies of published models share: parameters, embeddings, the last norm and the logits.
namespace coefdyn::models {

/// Names of a body's outer parameters, and what is done to activations and logits.
struct outer_names {
  std::string embeddings = "model.embed_tokens.weight", norm = "model.norm", head = "lm_head.weight";
  bool tied = false;
  nn::norm kind = nn::norm::rms;
  double eps = 1e-6;
  double cap = 0;              // of logits: cap tanh(x / cap); 0: none
  double embedding_scale = 1;  // of the embeddings
};

namespace detail {
struct capped_by {
  double cap;
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X x) const {
    return X(cap) * math::tanh(x / X(cap));
  }
};
}  // namespace detail

/// Names the outer parameters; a body derives from it and names its layers' in `root`.
class outer_body {
 public:
  outer_body(outer_names names, idx vocabulary, idx width)
      : list_(std::make_shared<nn::parameter_list>()), names_(std::move(names)), vocabulary_(vocabulary) {
    const nn::scope root(*list_);
    embeddings_ = root.matrix(names_.embeddings, vocabulary, width, nn::start::constant(0));
    norm_ = nn::norm_parameters(root, names_.norm, width, names_.kind == nn::norm::layer);
    if (!names_.tied) head_ = root.matrix(names_.head, vocabulary, width, nn::start::constant(0));
  }
  std::shared_ptr<const nn::parameter_list> parameters() const { return list_; }
  idx vocabulary() const { return vocabulary_; }
  /// Logits of activations that `closed` gave.
  template <class R, class On>
  nn::value<R> logits(nn::tape<R, On>& t, const nn::value<R>& x) const {
    const nn::value<R> y = nn::linear(t, x, names_.tied ? embeddings_ : head_);
    return names_.cap > 0 ? nn::map(t, detail::capped_by{names_.cap}, y) : y;
  }
  /// Tied embeddings may be written twice.
  void say_outer(tensor_map& map) const {
    if (names_.tied) map.repeats(names_.head, names_.embeddings);
  }

 protected:
  nn::scope root() const { return nn::scope(*list_); }
  template <class R, class On>
  nn::value<R> embedded(nn::tape<R, On>& t, const nn::token_ids& ids) const {
    const nn::value<R> x = nn::embed(t, ids, embeddings_);
    return names_.embedding_scale == 1 ? x : nn::map(t, detail::scaled_by{names_.embedding_scale}, x);
  }
  template <class R, class On>
  nn::value<R> closed(nn::tape<R, On>& t, const nn::value<R>& x) const {
    return names_.kind == nn::norm::layer ? norm_.layer(t, x, names_.eps) : norm_.rms(t, x, names_.eps);
  }

 private:
  std::shared_ptr<nn::parameter_list> list_;
  outer_names names_;
  idx vocabulary_;
  nn::parameter embeddings_, head_;
  nn::norm_parameters norm_;
};

/// down(f(gate x) up x) with biases or without: gate_proj, up_proj, down_proj.
template <class F = nn::silu>
struct gated_mlp {
  nn::projection_parameters gate, up, down;
  gated_mlp(const nn::scope& s, idx width, idx hidden, bool bias)
      : gate(s, "gate_proj", width, hidden, bias), up(s, "up_proj", width, hidden, bias), down(s, "down_proj", hidden, width, bias) {}
  template <class R, class On>
  nn::value<R> operator()(nn::tape<R, On>& t, const nn::value<R>& x) const {
    return down(t, nn::map(t, nn::of_first_times<F>{}, gate(t, x), up(t, x)));
  }
};

}  // namespace coefdyn::models
