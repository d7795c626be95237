// SPDX-License-Identifier: MIT
#pragma once
#include <optional>

#include "model.hpp"

/// The three models of the spectra's code, arXiv:2510.09379, with its names and its places of dropout.
namespace coefdyn::nn {

/// A block: z = silu(Wz x) if gated; x += layer(norm(x)); y = norm(x), by the same norm; with an MLP y = x + mlp(y); x = y z. Without an
/// MLP there is no second residual. LayerNorm and exact gelu. `pooled`: mean over all tokens, as published pads too, Linear, relu, Linear;
/// else a decoder without bias.
///
/// shape   ids (B, T) or numbers (B, T, inputs) to logits (B, 1, outputs) or (B, T, outputs)
template <class Layer>
class paper_transformer : public detail::named_model {
 public:
  using layer_type = Layer;
  explicit paper_transformer(const model_sizes& z) : named_model(z), encoder_(root, z) {
    for (int i = 0; i < z.layers; ++i) blocks_.emplace_back(root.part(numbered("layers", i)), z, i);
    norm_ = norm_parameters(root, "norm", z.width, true);
    if (z.pooled) classifier_.emplace(root.part("classifier"), "encoder", "decoder", z.width, z.head, z.logits());
    else decoder_ = projection_parameters(root, "decoder", z.width, z.logits(), false);
  }
  template <class R, class On>
  value<R> operator()(tape<R, On>& t, const input_for<R>& input) const {
    across_layers<R> across;
    value<R> x = dropout(t, encoder_(t, input), size.dropout);
    for (const block& b : blocks_)
      x = detail::block_of(t, size.recompute, x, across,
                           [this, &b = b](tape<R, On>& on, value<R> u, across_layers<R>& a) { return through(on, b, u, a); });
    x = norm_.layer(t, x, eps);
    return classifier_ ? (*classifier_)(t, mean_of(t, x, input, pooled_over::all_tokens)) : decoder_(t, x);
  }

 private:
  static constexpr double eps = 1e-5;
  struct block {
    Layer layer;
    norm_parameters norm;
    std::optional<mlp<gelu>> feed_forward;
    projection_parameters gate;
    block(const scope& s, const model_sizes& z, int i) : layer(s.part("attention"), z.layer_sizes(i)), norm(s, "norm", z.width, true) {
      if (z.hidden > 0) feed_forward.emplace(s.part("mixer"), "encoder", "decoder", z.width, z.hidden, z.width);
      if (!z.gated) return;
      const double bound = 0.1 * std::sqrt(3.0 / double(z.width));  // a tenth of Xavier's
      gate.weight = s.matrix("Wz.weight", z.width, z.width, start::uniform(-bound, bound));
      gate.bias = s.vector("Wz.bias", z.width, start::constant(1));
    }
  };
  template <class R, class On>
  value<R> through(tape<R, On>& t, const block& b, const value<R>& from, across_layers<R>& across) const {
    const value<R> x = add(t, from, dropout(t, b.layer(t, b.norm.layer(t, from, eps), across), size.dropout));
    value<R> y = b.norm.layer(t, x, eps);
    if (b.feed_forward) y = add(t, x, (*b.feed_forward)(t, y, size.dropout));
    return size.gated ? map(t, times<silu>{}, y, b.gate(t, from)) : y;
  }
  detail::encoder encoder_;
  std::vector<block> blocks_;
  norm_parameters norm_;
  std::optional<mlp<relu>> classifier_;
  projection_parameters decoder_;
};

/// x + glu(gelu(layer(norm x))), the norm first, or after the sum; glu(y) = a sigmoid(b), (a, b) = Linear(y). No norm at the end, then mean
/// over all tokens, as published pads too, if `pooled`, and a Linear with bias.
template <class Layer>
class paper_mamba : public detail::named_model {
 public:
  using layer_type = Layer;
  explicit paper_mamba(const model_sizes& z) : named_model(z), encoder_(root, z) {
    for (int i = 0; i < z.layers; ++i) blocks_.emplace_back(root.part(numbered("blocks", i)), z, i);
    decoder_ = projection_parameters(root, "decoder", z.width, z.logits(), true);
  }
  template <class R, class On>
  value<R> operator()(tape<R, On>& t, const input_for<R>& input) const {
    across_layers<R> across;
    value<R> x = encoder_(t, input);
    for (const block& b : blocks_)
      x = detail::block_of(t, size.recompute, x, across,
                           [this, &b = b](tape<R, On>& on, value<R> u, across_layers<R>& a) { return through(on, b, u, a); });
    return decoder_(t, size.pooled ? mean_of(t, x, input, pooled_over::all_tokens) : x);
  }

 private:
  struct block {
    Layer layer;
    projection_parameters glu;
    norm_parameters norm;
    block(const scope& s, const model_sizes& z, int i)
        : layer(s.part("mamba"), z.layer_sizes(i)), glu(s, "glu.linear", z.width, 2 * z.width, true), norm(s, "norm", z.width, true) {}
  };
  template <class R, class On>
  value<R> through(tape<R, On>& t, const block& b, const value<R>& from, across_layers<R>& across) const {
    const auto norm_of = [&](const value<R>& v) { return b.norm.layer(t, v, 1e-5); };
    const value<R> mixed = map(t, gelu{}, b.layer(t, size.norm_first ? norm_of(from) : from, across));
    const value<R> y = b.glu(t, dropout(t, mixed, size.dropout));
    const value<R> gated = map(t, times<sigmoid>{}, y.part(0, size.width), y.part(size.width, size.width));
    const value<R> x = add(t, from, dropout(t, gated, size.dropout));
    return size.norm_first ? x : norm_of(x);
  }
  detail::encoder encoder_;
  std::vector<block> blocks_;
  projection_parameters decoder_;
};

namespace detail {
template <class R>
struct hot {
  value<R> x;
  const std::int64_t* ids;
  COEFDYN_HD void operator()(idx i, idx first, idx last) const {
    for (idx c = first; c < last; ++c) x.data[i * x.stride + c] = R(c == ids[i]);
  }
};
}  // namespace detail

/// x + out1(y) sigmoid(out2(y)), y = gelu(layer(x)) by its tanh approximation; a batch norm first, or after the sum. Mean over
/// the tokens before the padding, as published, if `pooled`, a Linear with bias, log softmax. All tokens of a sequence share the draws of
/// dropout. Token ids enter one-hot, so the encoder is a table with a bias.
template <class Layer>
class paper_ssm : public detail::named_model {
 public:
  using layer_type = Layer;
  static constexpr bool mixes_sequences = true;  // by its batch norms
  explicit paper_ssm(const model_sizes& z) : named_model(z) {
    encoder_ = projection_parameters(root, "encoder", z.vocabulary > 0 ? z.vocabulary : z.inputs, z.width, true);
    for (int i = 0; i < z.layers; ++i) blocks_.emplace_back(root.part(numbered("layers", i)), z, i);
    decoder_ = projection_parameters(root, "decoder", z.width, z.logits(), true);
  }
  template <class R, class On>
  value<R> operator()(tape<R, On>& t, const input_for<R>& input) const {
    across_layers<R> across;
    value<R> x = encoder_(t, input.ids.data ? one_hot(t, input.ids) : input.numbers);
    for (const block& b : blocks_)
      x = detail::block_of(t, size.recompute, x, across,
                           [this, &b = b](tape<R, On>& on, value<R> u, across_layers<R>& a) { return through(on, b, u, a); });
    return log_softmax(t, decoder_(t, size.pooled ? mean_of(t, x, input, pooled_over::own_tokens) : x));
  }

 private:
  struct block {
    Layer layer;
    projection_parameters out1, out2;
    batch_norm_parameters norm;
    block(const scope& s, const model_sizes& z, int i)
        : layer(s.part("seq"), z.layer_sizes(i)),
          out1(s, "out1", z.width, z.width, true),
          out2(s, "out2", z.width, z.width, true),
          norm(s, "normalize", z.width) {}
  };
  template <class R, class On>
  value<R> through(tape<R, On>& t, const block& b, const value<R>& from, across_layers<R>& across) const {
    const auto drop = [&](const value<R>& v) { return dropout(t, v, size.dropout, shared_draws::over_time); };
    const auto norm_of = [&](const value<R>& v) { return batch_norm(t, v, 1e-5, b.norm); };
    const value<R> y = drop(map(t, gelu_tanh{}, b.layer(t, size.norm_first ? norm_of(from) : from, across)));
    const value<R> x = add(t, from, drop(map(t, times<sigmoid>{}, b.out1(t, y), b.out2(t, y))));
    return size.norm_first ? x : norm_of(x);
  }
  template <class R, class On>
  value<R> one_hot(tape<R, On>& t, const token_ids& ids) const {
    for (idx i = 0; i < ids.rows(); ++i)
      if (ids.data[i] < 0 || ids.data[i] >= size.vocabulary)
        throw invalid_input("token id", "0 .. " + std::to_string(size.vocabulary - 1), std::to_string(ids.data[i]));
    const idx V = size.vocabulary;
    const value<R> x{t.template take<R>(ids.rows() * V), nullptr, ids.batch, ids.time, V, V};
    t.elements(ids.rows(), V, detail::hot<R>{x, t.here(ids.data, ids.rows())});
    return x;
  }
  projection_parameters encoder_, decoder_;
  std::vector<block> blocks_;
};

}  // namespace coefdyn::nn
