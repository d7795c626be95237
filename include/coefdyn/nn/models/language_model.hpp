// SPDX-License-Identifier: MIT
#pragma once
#include "model.hpp"

namespace coefdyn::nn {

/// x += layer(rms(x)); x += swiglu(rms(x)); logits = lm_head(rms(x)): names of flash-linear-attention. `tied` takes the embeddings for
/// lm_head, `positions` adds learned positions, `hidden` = 0 leaves the MLP out.
///
/// shape   ids (B, T) to logits (B, T, V)
/// error   invalid_input for sizes that don't divide, when it is made; for ids outside the vocabulary
template <class Layer>
class language_model : public detail::named_model {
 public:
  using layer_type = Layer;
  explicit language_model(const model_sizes& z) : named_model(without_dropout(z)) {
    const auto table = start::normal(z.embedding_deviation);
    embeddings_ = root.matrix("embeddings.weight", z.vocabulary, z.width, table);
    if (z.positions > 0) positions_ = root.matrix("position_embeddings.weight", z.positions, z.width, table);
    for (int i = 0; i < z.layers; ++i) blocks_.emplace_back(root.part(numbered("layers", i)), z, i);
    norm_ = norm_parameters(root, "norm", z.width, false);
    if (!z.tied) head_ = projection_parameters(root, "lm_head", z.width, z.logits(), false);
  }
  template <class R, class On>
  value<R> operator()(tape<R, On>& t, const input_for<R>& input) const {
    return linear(t, hidden(t, input), head());
  }
  /// Logits of the tokens that follow those of `before`, which then has seen them: what the whole sequence gives at these places.
  template <class R, class On>
  value<R> step(tape<R, On>& t, past& before, const input_for<R>& input) const {
    return detail::next_logits(t, before, input, *this);
  }
  /// The matrix whose rows give the logits.
  const parameter& head() const { return size.tied ? embeddings_ : head_.weight; }
  /// rms(x), of which the logits are made: for `cross_entropy_of_linear`, which keeps no logits of all tokens.
  template <class R, class On>
  value<R> hidden(tape<R, On>& t, const input_for<R>& input) const {
    detail::expect_ids(input);
    across_layers<R> across;
    value<R> x = embed(t, input.ids, embeddings_, positions_);
    for (const block& b : blocks_)
      x = detail::block_of(t, size.recompute, x, across,
                           [&b = b](tape<R, On>& on, value<R> u, across_layers<R>& a) { return b(on, u, a); });
    return norm_.rms(t, x, size.norm_eps);
  }

 private:
  struct block {
    norm_parameters layer_norm, feed_norm;
    Layer layer;
    std::vector<swiglu> feed_forward;  // one or none
    double eps;
    block(const scope& s, const model_sizes& z, int i)
        : layer_norm(s, "attn_norm", z.width, false), layer(s.part("attn"), z.layer_sizes(i)), eps(z.norm_eps) {
      if (z.hidden < 1) return;
      feed_norm = norm_parameters(s, "mlp_norm", z.width, false);
      feed_forward.emplace_back(s.part("mlp"), z.width, z.hidden, z.layers);
    }
    template <class R, class On>
    value<R> operator()(tape<R, On>& t, value<R> x, across_layers<R>& across) const {
      x = add(t, x, layer(t, layer_norm.rms(t, x, eps), across));
      return feed_forward.empty() ? x : add(t, x, feed_forward.front()(t, feed_norm.rms(t, x, eps)));
    }
  };
  parameter embeddings_, positions_;
  std::vector<block> blocks_;
  norm_parameters norm_;
  projection_parameters head_;
};

}  // namespace coefdyn::nn
