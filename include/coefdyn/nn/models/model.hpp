// SPDX-License-Identifier: MIT
#pragma once
#include "../batch_norm.hpp"
#include "../embedding.hpp"
#include "../layer.hpp"
#include "../loss.hpp"
#include "../mlp.hpp"
#include "../pool.hpp"
#include "../weights.hpp"

/// What models share. A model is a type over its layer's; depth and widths are numbers.
namespace coefdyn::nn {

/// Over which tokens a pooled model takes the mean: as its paper's code does, all of them, pads too, or those before the padding.
enum class pooled_over { as_published, all_tokens, own_tokens };

/// Sizes of a model. `layer` says the layers' own; its width, layer and layers are filled in.
struct model_sizes {
  idx width = 0;  // of the activations between layers
  int layers = 2;
  idx vocabulary = 0;  // of the input; 0: `inputs` numbers a token instead of an id
  idx inputs = 1;
  idx outputs = 0;      // logits; 0: the vocabulary
  idx hidden = 0;       // of the MLP in a block; 0: none
  idx head = 0;         // hidden width of a classifier
  idx positions = 0;    // learned positions; 0: none
  bool tied = false;    // logits by the embeddings
  bool pooled = false;  // one row of logits a sequence, from the mean over its tokens
  pooled_over mean = pooled_over::as_published;
  bool gated = false;  // a block's output times silu(Wz x)
  bool norm_first = true;
  double norm_eps = 1e-5;             // of language_model's norms between layers; those in a layer have sizes::eps
  double dropout = 0;                 // of the models of arXiv:2510.09379, in steps that have draws (tape::begin)
  double embedding_deviation = 0.02;  // of the tables' start; 1 as published in arXiv:2510.09379
  bool recompute = false;             // a block's activations are not kept, but made again by backward; changes no bit
  sizes layer;

  sizes layer_sizes(int i) const {
    sizes s = layer;
    s.width = width, s.layer = i, s.layers = layers;
    return s;
  }
  idx logits() const { return outputs > 0 ? outputs : vocabulary; }
};

/// f(name, size) for all of them that the numbers depend on (not `recompute`), those of the layers at the end.
template <class Sizes, class F>
void each_size(Sizes& z, F f) {
  f("width", z.width), f("layers", z.layers), f("vocabulary", z.vocabulary), f("inputs", z.inputs), f("outputs", z.outputs);
  f("hidden", z.hidden), f("head", z.head), f("positions", z.positions), f("tied", z.tied), f("pooled", z.pooled), f("gated", z.gated);
  f("mean", z.mean), f("norm_first", z.norm_first), f("norm_eps", z.norm_eps), f("dropout", z.dropout),
      f("embedding_deviation", z.embedding_deviation);
  each_layer_size(z.layer, f);
}

/// Tokens by id, or numbers (B, T, inputs), with the sequences' lengths before the padding where there is one.
template <class R>
struct model_input {
  token_ids ids;
  value<R> numbers;
  const idx* lengths = nullptr;  // (B), or none
  model_input(const token_ids& tokens_) : ids(tokens_), lengths(tokens_.lengths) {}
  model_input(const value<R>& x, const idx* lengths_ = nullptr) : numbers(x), lengths(lengths_) {}
};

/// The same, converted to at a model's call: model(tape, token_ids{..}).
template <class R>
using input_for = std::type_identity_t<model_input<R>>;

namespace detail {
/// Owns the list of parameters of a model while the model names them.
class named_model {
 public:
  const std::shared_ptr<const parameter_list>& parameters() const { return parameters_; }
  const model_sizes size;

 protected:
  explicit named_model(const model_sizes& s) : size(s), list_(std::make_shared<parameter_list>()), parameters_(list_), root(*list_) {
    const idx numbers[] = {s.width, s.layers, s.logits(), s.vocabulary > 0 ? 1 : s.inputs};
    const char* const names[] = {"width", "layers", "outputs or vocabulary", "inputs"};
    for (int i = 0; i < 4; ++i)
      if (numbers[i] < 1) throw invalid_input(names[i], "at least 1", std::to_string(numbers[i]));
    if (!(s.dropout >= 0 && s.dropout < 1))
      throw invalid_input("dropout", "a probability from 0 to less than 1", std::to_string(s.dropout));
  }
  static const model_sizes& without_dropout(const model_sizes& s) {
    if (s.dropout != 0) throw invalid_input("dropout", "0 in this model, which has none", std::to_string(s.dropout));
    return s;
  }
  /// The mean over time that a pooled model takes.
  template <class R, class On>
  value<R> mean_of(tape<R, On>& t, const value<R>& x, const model_input<R>& in, pooled_over published) const {
    const pooled_over which = size.mean == pooled_over::as_published ? published : size.mean;
    return mean_over_time(t, x, which == pooled_over::own_tokens ? in.lengths : nullptr);
  }
  static std::string numbered(const std::string& name, int i) { return name + "." + std::to_string(i); }

 private:
  std::shared_ptr<parameter_list> list_;
  std::shared_ptr<const parameter_list> parameters_;

 protected:
  scope root;
};
/// Ids through tables, or numbers through a projection with bias, as the spectra's code has them: encoder.word_embeddings.weight,
/// encoder.position_embeddings.weight; or encoder.weight and encoder.bias.
struct encoder {
  parameter table, positions;
  projection_parameters numbers;
  encoder(const scope& s, const model_sizes& z) {
    if (z.vocabulary > 0) {
      table = s.matrix("encoder.word_embeddings.weight", z.vocabulary, z.width, start::normal(z.embedding_deviation));
      if (z.positions > 0)
        positions = s.matrix("encoder.position_embeddings.weight", z.positions, z.width, start::normal(z.embedding_deviation));
    } else {
      numbers = projection_parameters(s, "encoder", z.inputs, z.width, true);
    }
  }
  template <class R, class On>
  value<R> operator()(tape<R, On>& t, const model_input<R>& x) const {
    if (table) return embed(t, x.ids, table, positions);
    return numbers(t, x.numbers);
  }
};
/// f(x, across), kept or made again by backward. A layer that hands values to those after it needs them kept.
template <class R, class On, class F>
value<R> block_of(tape<R, On>& t, bool recompute, const value<R>& x, across_layers<R>& across, F f) {
  if (!recompute || !t.records()) return f(t, x, across);
  return t.recomputed(x, [f](tape<R, On>& again, const value<R>& in) {
    across_layers<R> own;
    const value<R> out = f(again, in, own);
    if (own.first_values.data) throw invalid_input("recompute", "layers that hand nothing to the next", "one whose values others take");
    return out;
  });
}
template <class R>
void expect_ids(const model_input<R>& x) {
  if (!x.ids.data) throw invalid_input("input", "token ids", x.numbers.data ? "numbers" : "none");
}
/// A language model's logits of the tokens that follow those of `before`, which then has seen them.
template <class R, class On, class Model>
value<R> next_logits(tape<R, On>& t, past& before, const model_input<R>& input, const Model& model) {
  expect_ids(input);
  t.begin(before, input.ids.batch, input.ids.time);
  const value<R> logits = model(t, input);
  before.end();
  return logits;
}
}  // namespace detail

}  // namespace coefdyn::nn
