// SPDX-License-Identifier: MIT
#pragma once
#include "mad_block.hpp"

namespace coefdyn::nn {

/// MAD's model for compression: x += layer(norm x), x += swiglu(norm x); then the last token's vector plus sines and cosines of the
/// position, through norm, Linear, gelu, norm, Linear, gelu, to that position's logits. LayerNorm throughout.
///
/// shape   ids (B, T) to logits (B, T, V)
/// source  Poli et al., arXiv:2403.17844
template <class Layer>
class autoencoder : public detail::named_model {
 public:
  using layer_type = Layer;
  explicit autoencoder(const model_sizes& z) : named_model(without_dropout(z)) {
    table_ = root.matrix("token_embeds.weight", z.vocabulary, z.width, start::normal(z.embedding_deviation));
    for (int i = 0; i < z.layers; ++i) blocks_.emplace_back(root, detail::mad_names{"encoder", "0", "1"}, z, i);
    for (int i = 0; i < 2; ++i) {
      decoder_norm_[i] = norm_parameters(root, numbered("decoder", 3 * i), z.width, true);
      decoder_[i] = projection_parameters(root, numbered("decoder", 3 * i + 1), z.width, z.width, true);
    }
    norm_ = norm_parameters(root, "unembed.0", z.width, true);
    head_ = projection_parameters(root, "unembed.1", z.width, z.logits(), true);
  }
  template <class R, class On>
  value<R> operator()(tape<R, On>& t, const input_for<R>& input) const {
    detail::expect_ids(input);
    across_layers<R> across;
    value<R> x = embed(t, input.ids, table_);
    for (const block& b : blocks_)
      x = detail::block_of(t, size.recompute, x, across,
                           [&b = b](tape<R, On>& on, value<R> u, across_layers<R>& a) { return b(on, u, a); });
    x = last_with_positions(t, x);
    for (int i = 0; i < 2; ++i) x = map(t, gelu{}, decoder_[i](t, decoder_norm_[i].layer(t, x, block::eps)));
    return head_(t, norm_.layer(t, x, block::eps));
  }

 private:
  using block = detail::mad_block<Layer>;
  parameter table_;
  std::vector<block> blocks_;
  norm_parameters decoder_norm_[2], norm_;
  projection_parameters decoder_[2], head_;
};

}  // namespace coefdyn::nn
