// SPDX-License-Identifier: MIT
#pragma once
#include "mad_block.hpp"

namespace coefdyn::nn {

/// MAD's language model: x += layer(norm x), x += swiglu(norm x); logits = Linear(norm x) with bias, never tied. LayerNorm throughout,
/// where `language_model` has RMSNorm and no biases. `positions` adds learned positions, of which MAD has none by default. MAD's own layer
/// is paper_attention<mixers::softmax_rope_half> with 16 heads at width 128, its MLP 352 wide.
///
/// shape   ids (B, T) to logits (B, T, V)
/// error   invalid_input for sizes that don't divide or tied embeddings, when it is made; for ids outside the vocabulary
/// source  Poli et al. (MAD), arXiv:2403.17844; names of its code: token_embeds.weight, model.0.norm.weight, model.0.layer..,
///         unembed.norm.weight, unembed.lm_head.weight
template <class Layer>
class mad_language_model : public detail::named_model {
 public:
  using layer_type = Layer;
  explicit mad_language_model(const model_sizes& z) : named_model(without_dropout(z)) {
    if (z.tied) throw invalid_input("tied", "0 in this model, whose logits have a matrix of their own", "1");
    const auto table = start::normal(z.embedding_deviation);
    table_ = root.matrix("token_embeds.weight", z.vocabulary, z.width, table);
    if (z.positions > 0) positions_ = root.matrix("position_embeds", z.positions, z.width, table);
    for (int i = 0; i < z.layers; ++i) blocks_.emplace_back(root, detail::mad_names{"model", "norm", "layer"}, z, i);
    norm_ = norm_parameters(root, "unembed.norm", z.width, true);
    head_ = projection_parameters(root, "unembed.lm_head", z.width, z.logits(), true);
  }
  template <class R, class On>
  value<R> operator()(tape<R, On>& t, const input_for<R>& input) const {
    return head_(t, hidden(t, input));
  }
  /// Logits of the tokens that follow those of `before`, which then has seen them: what the whole sequence gives at these places.
  template <class R, class On>
  value<R> step(tape<R, On>& t, past& before, const input_for<R>& input) const {
    return detail::next_logits(t, before, input, *this);
  }
  /// The matrix and the bias that give the logits.
  const projection_parameters& head() const { return head_; }
  /// norm x, of which the logits are made: for `cross_entropy_of_linear`, which keeps no logits of all tokens.
  template <class R, class On>
  value<R> hidden(tape<R, On>& t, const input_for<R>& input) const {
    detail::expect_ids(input);
    across_layers<R> across;
    value<R> x = embed(t, input.ids, table_, positions_);
    for (const block& b : blocks_)
      x = detail::block_of(t, size.recompute, x, across,
                           [&b = b](tape<R, On>& on, value<R> u, across_layers<R>& a) { return b(on, u, a); });
    return norm_.layer(t, x, block::eps);
  }

 private:
  using block = detail::mad_block<Layer>;
  parameter table_, positions_;
  std::vector<block> blocks_;
  norm_parameters norm_;
  projection_parameters head_;
};

}  // namespace coefdyn::nn
