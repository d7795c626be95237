// SPDX-License-Identifier: MIT
#pragma once
#include <tuple>

#include "../core/label.hpp"
#include "activation.hpp"
#include "convolution.hpp"
#include "linear.hpp"
#include "map.hpp"
#include "normalise.hpp"
#include "range.hpp"

/// Sources: where a stream of a mixer comes from. A source is a type; it names its parameters when a layer is made, and computes once a
/// step, however many streams take it. One of yours has
///   S(const scope&, const sizes&, const stream_shape&)           names parameters
///   template <class R, class On> value<R> operator()(context<R, On>&) const    computes
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
template <class R, class On = device::cpu<openmp>>
class context {
 public:
  tape<R, On>& t;
  value<R> u;
  sizes size;
  across_layers<R>& across;
  value<R> values;  // the mixer's v, once it is made

  context(tape<R, On>& tape_, const value<R>& input, const sizes& s, across_layers<R>& a) : t(tape_), u(input), size(s), across(a) {}
  /// The source's value; made at the first call, but for one that is another for each stream.
  template <class Source>
  value<R> operator()(const Source& source) {
    if constexpr (requires { Source::differs_by_stream; }) return source(*this);
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

/// Whether a projection adds one.
enum class bias { no, yes };

/// The input of the layer itself.
struct layer_input {
  layer_input(const scope&, const sizes&, const stream_shape&) {}
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return c.u;
  }
};
/// A law by its name, for templates.
namespace starts {
/// 0.
struct zero {
  static law of(const sizes&) { return start::constant(0); }
};
/// 1.
struct one {
  static law of(const sizes&) { return start::constant(1); }
};
/// The logarithm of a uniform number in 1 .. 16.
struct rate {
  static law of(const sizes&) { return start::log_uniform(1, 16); }
};
/// The inverse softplus of a log-uniform step size.
struct step {
  static law of(const sizes&) { return start::step_bias(); }
};
/// Uniform within 1 / sqrt(width).
struct fan_in {
  static law of(const sizes& z) { return start::fan_in(z.width); }
};
/// From First to Last in even steps.
template <int First, int Last>
struct spread {
  static law of(const sizes&) { return start::spread(First, Last); }
};
/// Uniform in Low .. High.
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
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return p(c.t, c(from));
  }
};

/// How wide the middle of a low-rank projection is: sizes::rank and the like, or a head's value channels.
enum class middle { rank, decay, rate, values, gate, value_channels };
/// That width, at these sizes.
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
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    const value<R> narrow = down(c.t, c(from));
    if constexpr (std::is_same_v<F, unchanged>) return up(c.t, narrow);
    else return up(c.t, map(c.t, F{}, narrow));
  }
};

// ---- sources of sources ----------------------------------------------------------------------------------------------------
/// Where the parts of a wide row begin.
struct row_parts {
  static constexpr int most = 8;
  int count = 0;
  idx begin[most + 1] = {};
  void add(idx columns) { begin[count + 1] = begin[count] + columns, ++count; }
  idx columns() const { return begin[count]; }
};
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
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return p(c.t, c(from));
  }
};
/// Divided by its length in each head, with the layers' 1e-6 under the root (feature::l2 has none).
/// source  Yang et al. (DeltaNet), arXiv:2406.06484
template <class From>
struct unit_heads {
  From from;
  unit_heads(const scope& s, const sizes& z, const stream_shape& want) : from(s, z, want) {}
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
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
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return std::apply(
        [&](const More&... m) {
          const value<R> x[]{c(from), c(m)...};
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
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return c.t.shared(p);
  }
};
/// The same number everywhere, without a gradient.
template <int Number>
struct constant {
  static constexpr bool differs_by_stream = true;
  idx columns;
  /// That number.
  struct always {
    COEFDYN_HD double operator()(idx) const { return Number; }
  };
  constant(const scope&, const sizes&, const stream_shape& want) : columns(want.columns / want.writes) {}
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return constants(c.t, columns, always{});
  }
};
}  // namespace coefdyn::nn
