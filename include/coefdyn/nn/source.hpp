// SPDX-License-Identifier: MIT
#pragma once
#include <tuple>

#include "../core/label.hpp"
#include "activation.hpp"
#include "convolution.hpp"
#include "linear.hpp"
#include "map.hpp"
#include "normalise.hpp"
#include "sizes.hpp"

/// Sources: where a stream of a mixer comes from. A source is a type; it names its parameters when a layer is made, and computes once a
/// step, however many streams take it. One of yours has
///   S(const scope&, const sizes&, const stream_shape&)           names parameters
///   template <class R> value<R> operator()(context<R>&) const    computes
namespace coefdyn::nn {

/// What a stream asks of its source: numbers in a row (all heads, all writes of a token), heads, writes of a token.
struct stream_shape {
  idx columns = 0, heads = 1, writes = 1;
};

/// What a stack of layers hands on beside the activations: the first layer's values (RWKV-7).
template <class R>
struct across_layers {
  value<R> first_values;
};

/// One call of a layer: its input, and what its sources have made so far.
template <class R>
class context {
 public:
  tape<R>& t;
  value<R> u;
  sizes size;
  across_layers<R>& across;
  value<R> values;  // the mixer's v, once it is made

  context(tape<R>& tape_, const value<R>& input, const sizes& s, across_layers<R>& a) : t(tape_), u(input), size(s), across(a) {}
  /// The source's value; made at the first call.
  template <class Source>
  value<R> operator()(const Source& source) {
    for (int i = 0; i < count_; ++i)
      if (made_[i].key == &key<Source>) return made_[i].v;
    const value<R> v = source(*this);
    if (count_ < most) made_[count_++] = {&key<Source>, v};
    return v;
  }

 private:
  static constexpr int most = 48;
  template <class>
  static constexpr char key = 0;  // its address is the type's
  struct made {
    const void* key;
    value<R> v;
  };
  made made_[most];
  int count_ = 0;
};

enum class bias { no, yes };

/// The input of the layer itself.
struct layer_input {
  layer_input(const scope&, const sizes&, const stream_shape&) {}
  template <class R>
  value<R> operator()(context<R>& c) const {
    return c.u;
  }
};
/// A law by its name, for templates.
namespace starts {
struct zero {
  static law of(const sizes&) { return start::constant(0); }
};
struct one {
  static law of(const sizes&) { return start::constant(1); }
};
struct rate {
  static law of(const sizes&) { return start::log_uniform(1, 16); }
};
struct step {
  static law of(const sizes&) { return start::step_bias(); }
};
struct fan_in {
  static law of(const sizes& z) { return start::fan_in(z.width); }
};
/// From First to Last in even steps.
template <int First, int Last>
struct spread {
  static law of(const sizes&) { return start::spread(First, Last); }
};
template <int Low, int High>
struct uniform {
  static law of(const sizes&) { return start::uniform(Low, High); }
};
}  // namespace starts

/// W x [+ b] of the layer's input, or of another source as wide: name.weight [columns, D], name.bias.
template <label Name, bias Bias = bias::no, class From = layer_input, class Start = starts::fan_in, class BiasStart = starts::zero>
struct projection {
  From from;
  projection_parameters p;
  projection(const scope& s, const sizes& z, const stream_shape& want) : from(s, z, {z.width, 1}) {
    p.weight = s.matrix(Name + ".weight", want.columns, z.width, Start::of(z));
    if (Bias == bias::yes) p.bias = s.vector(Name + ".bias", want.columns, BiasStart::of(z));
  }
  template <class R>
  value<R> operator()(context<R>& c) const {
    return p(c.t, c(from));
  }
};

/// How wide the middle of a low-rank projection is: sizes::rank and the like, or a head's value channels.
enum class middle { rank, decay, rate, values, gate, value_channels };
inline idx middle_width(middle m, const sizes& z) {
  switch (m) {
    case middle::decay:
      return z.decay_rank;
    case middle::rate:
      return z.rate_rank;
    case middle::values:
      return z.value_rank;
    case middle::gate:
      return z.gate_rank;
    case middle::value_channels:
      return z.d;
    default:
      return z.rank;
  }
}
/// W2 f(W1 x) [+ b]: first.weight [r, D], second.weight [columns, r], second.bias.
template <label First, label Second, bias Bias = bias::no, middle Middle = middle::rank, class F = unchanged, class From = layer_input,
          class BiasStart = starts::zero>
struct low_rank {
  From from;
  projection_parameters down, up;
  low_rank(const scope& s, const sizes& z, const stream_shape& want)
      : from(s, z, {z.width, 1}), down(s, std::string(First.text()), z.width, middle_width(Middle, z), false) {
    up.weight = s.matrix(Second + ".weight", want.columns, middle_width(Middle, z), start::fan_in(middle_width(Middle, z)));
    if (Bias == bias::yes) up.bias = s.vector(Second + ".bias", want.columns, BiasStart::of(z));
  }
  template <class R>
  value<R> operator()(context<R>& c) const {
    const value<R> narrow = down(c.t, c(from));
    if constexpr (std::is_same_v<F, unchanged>) return up(c.t, narrow);
    else return up(c.t, map(c.t, F{}, narrow));
  }
};

// ---- fused layouts: one matrix whose rows are several projections -----------------------------------------------------------
/// How many rows a part of a fused projection has.
enum class rows_of { values, queries, keys, heads, one };
inline idx count_rows(rows_of r, const sizes& z) {
  switch (r) {
    case rows_of::values:
      return idx(z.heads) * z.d;
    case rows_of::queries:
      return idx(z.heads) * z.n;
    case rows_of::keys:
      return idx(z.key_heads) * z.n;
    case rows_of::heads:
      return z.heads;
    default:
      return 1;
  }
}
/// Where the parts of a wide row begin.
struct row_parts {
  static constexpr int most = 8;
  int count = 0;
  idx begin[most + 1] = {};
  void add(idx columns) { begin[count + 1] = begin[count] + columns, ++count; }
  idx columns() const { return begin[count]; }
};
/// All parts in one product: name.weight [sum of rows, D], in this order.
template <label Name, bias Bias, rows_of... Rows>
struct fused {
  row_parts parts;
  projection_parameters p;
  fused(const scope& s, const sizes& z, const stream_shape&)
      : parts(parts_of(z)), p(s, std::string(Name.text()), z.width, parts.columns(), Bias == bias::yes) {}
  static row_parts parts_of(const sizes& z) {
    static_assert(sizeof...(Rows) <= row_parts::most);
    row_parts out;
    (out.add(count_rows(Rows, z)), ...);
    return out;
  }
  template <class R>
  value<R> operator()(context<R>& c) const {
    return p(c.t, c.u);
  }
};
/// Parts First .. First + Count - 1 of a source that has parts.
template <class Whole, int First, int Count = 1>
struct part {
  Whole whole;
  row_parts parts;
  part(const scope& s, const sizes& z, const stream_shape& want) : whole(s, z, want) {
    for (int i = First; i < First + Count; ++i) parts.add(whole.parts.begin[i + 1] - whole.parts.begin[i]);
  }
  template <class R>
  value<R> operator()(context<R>& c) const {
    return c(whole).part(whole.parts.begin[First], parts.columns());
  }
};

// ---- sources of sources ----------------------------------------------------------------------------------------------------
/// A short convolution with silu over what another source gives: name.weight [C, 1, W], name.bias [C].
template <label Name, class From, bias Bias = bias::no>
struct convolved {
  From from;
  row_parts parts;
  convolution_parameters p;
  convolved(const scope& s, const sizes& z, const stream_shape& want) : from(s, z, want) {
    idx channels = want.columns;
    if constexpr (requires { from.parts; }) parts = from.parts, channels = parts.columns();
    p = convolution_parameters(s, std::string(Name.text()), channels, z.convolution, Bias == bias::yes);
  }
  template <class R>
  value<R> operator()(context<R>& c) const {
    return p(c.t, c(from));
  }
};
/// Divided by its length in each head, with the layers' 1e-6 under the root (feature::l2 has none).
/// source  Yang et al. (DeltaNet), arXiv:2406.06484
template <class From>
struct unit_heads {
  From from;
  unit_heads(const scope& s, const sizes& z, const stream_shape& want) : from(s, z, want) {}
  template <class R>
  value<R> operator()(context<R>& c) const {
    return normalise<norm::l2>(c.t, c(from), c.size.n, 1e-6);
  }
};
/// f(from, more...), number by number; f is made of the layer's sizes. More may have one number a head.
template <class F, class From, class... More>
struct mapped {
  From from;
  std::tuple<More...> more;
  F f;
  mapped(const scope& s, const sizes& z, const stream_shape& want) : from(s, z, want), more(More(s, z, want)...), f(z) {}
  template <class R>
  value<R> operator()(context<R>& c) const {
    return std::apply(
        [&](const More&... m) {
          const std::array<value<R>, 1 + sizeof...(More)> x{c(from), c(m)...};
          idx columns = 0;
          for (const auto& one : x) columns = std::max(columns, one.columns);
          return [&]<std::size_t... I>(std::index_sequence<I...>) {
            return map_to(c.t, columns, f, x[I]...);
          }(std::index_sequence_for<From, More...>{});
        },
        more);
  }
};

// ---- parameters and constants ------------------------------------------------------------------------------------------------
/// One number for each: head of the stream, head that reads, channel.
enum class per { head, reading_head, channel };
/// A parameter of its own: name [heads] or [columns]. It never decays.
template <label Name, per Each = per::channel, class Start = starts::zero>
struct number {
  parameter p;
  number(const scope& s, const sizes& z, const stream_shape& want)
      : p(s.vector(std::string(Name.text()),
                   Each == per::head      ? want.heads
                   : Each == per::channel ? want.columns
                                          : z.heads,
                   Start::of(z))) {}
  template <class R>
  value<R> operator()(context<R>& c) const {
    return c.t.shared(p);
  }
};
/// The same number everywhere, without a gradient.
template <int Number>
struct constant {
  idx columns;
  constant(const scope&, const sizes&, const stream_shape& want) : columns(want.columns / want.writes) {}
  template <class R>
  value<R> operator()(context<R>& c) const {
    R* const x = c.t.template take<R>(columns);
    std::fill_n(x, columns, R(Number));
    return {x, nullptr, 1, 1, columns, 0};
  }
};
/// RoPE's angles theta^(-2m/n), m < n/2.
/// source  Su et al., arXiv:2104.09864
struct rope_angles {
  rope_angles(const scope&, const sizes& z, const stream_shape&) {
    if (z.n % 2) throw invalid_input("n", "an even number, for pairs of channels", std::to_string(z.n));
  }
  template <class R>
  value<R> operator()(context<R>& c) const {
    const idx pairs = c.size.n / 2;
    R* const x = c.t.template take<R>(pairs);
    for (idx m = 0; m < pairs; ++m) x[m] = R(std::pow(c.size.theta, -2.0 * double(m) / double(c.size.n)));
    return {x, nullptr, 1, 1, pairs, 0};
  }
};
/// Retention's decays: log(1 - 2^(-5-h)).
/// source  Sun et al., arXiv:2307.08621
struct retention_decays {
  idx heads;
  retention_decays(const scope&, const sizes&, const stream_shape& want) : heads(want.heads) {}
  template <class R>
  value<R> operator()(context<R>& c) const {
    R* const x = c.t.template take<R>(heads);
    for (idx h = 0; h < heads; ++h) x[h] = R(std::log1p(-std::exp2(double(-5 - h))));
    return {x, nullptr, 1, 1, heads, 0};
  }
};

// ---- ranges: what a number is squashed to -------------------------------------------------------------------------------------
namespace range {
/// (0, strongest): the strength of a delta rule.
struct strength {
  double top;
  explicit strength(const sizes& z) : top(z.strongest) {}
  template <class X>
  X operator()(X x) const {
    return X(top) * math::sigmoid(x);
  }
};
/// (0, 2), whatever the layer's sizes say.
struct strength_to_two {
  explicit strength_to_two(const sizes&) {}
  template <class X>
  X operator()(X x) const {
    return X(2) * math::sigmoid(x);
  }
};
/// log sigmoid(x) / tau <= 0.
struct gla_decay {
  double tau;
  explicit gla_decay(const sizes& z) : tau(z.tau) {}
  template <class X>
  X operator()(X x) const {
    return -math::softplus(-x) / X(tau);
  }
};
/// cap tanh(x / cap).
struct capped {
  double cap;
  explicit capped(const sizes& z) : cap(z.cap) {}
  template <class X>
  X operator()(X x) const {
    return X(cap) * math::tanh(x / X(cap));
  }
};
struct capped_decay : capped {
  using capped::capped;
  template <class X>
  X operator()(X x) const {
    return -math::softplus(-capped::operator()(x));
  }
};
/// P::log_decay of a parameterisation.
template <class P>
struct decay_by {
  explicit decay_by(const sizes&) {}
  template <class X, class... More>
  X operator()(X x, More... more) const {
    return P::log_decay(x, more...);
  }
};
/// P::delta of a parameterisation.
template <class P>
struct step_by {
  explicit step_by(const sizes&) {}
  template <class X>
  X operator()(X x, X bias_) const {
    return P::delta(x, bias_);
  }
};
struct positive {
  explicit positive(const sizes&) {}
  template <class X>
  X operator()(X x) const {
    return math::softplus(x);
  }
};
/// -softplus(x) <= 0.
struct minus_softplus {
  explicit minus_softplus(const sizes&) {}
  template <class X>
  X operator()(X x) const {
    return -math::softplus(x);
  }
};
/// Any function of nn/activation.hpp.
template <class F>
struct by {
  explicit by(const sizes&) {}
  template <class... X>
  auto operator()(X... x) const {
    return F{}(x...);
  }
};
}  // namespace range

}  // namespace coefdyn::nn
