// SPDX-License-Identifier: MIT
#pragma once
#include "after.hpp"
#include "fused.hpp"
#include "mix.hpp"
#include "positions.hpp"

/// A layer from one mixer type: each of its streams has a source, y passes through stages.
///
/// ```cpp
/// using plain = nn::layer<mixers::deltanet>;  // every source by default, then o_proj
/// using said = nn::layer<mixers::deltanet, nn::give<stream::beta, nn::mapped<nn::range::strength, nn::projection<"b_proj">>>,
///                        nn::after<nn::normed<"o_norm">, nn::projected<"o_proj">>>;
/// ```
///
/// Default of a stream with a time axis: a projection name_proj, squashed where its name says a range (log_decay <= 0, 0 < beta < 1,
/// delta > 0, |z| = 1); of one without: a parameter of its name (angles of pairs of channels: RoPE's).
namespace coefdyn::nn {

/// Says the source of a stream.
template <class Stream, class Source>
struct give {};
/// Says that several value heads share one query and key head (heads::grouped_values).
struct grouped_values {};
/// Says that training may drop weights of its reads (sizes::drop_weights), which it then does in form::parallel; evaluation and decoding
/// drop none and take the form that is fastest.
struct drops_weights {};

// ---- defaults ---------------------------------------------------------------------------------------------------------------
/// A projection under the stream's own name.
template <class Tag>
struct own_projection {
  projection_parameters p;
  own_projection(const scope& s, const sizes& z, const stream_shape& want)
      : p(s, std::string(Tag::name) + "_proj", z.width, want.columns, false) {}
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return p(c.t, c.u);
  }
};
/// A parameter under the stream's own name, from 0.
template <class Tag>
struct own_number {
  parameter p;
  own_number(const scope& s, const sizes&, const stream_shape& want) : p(s.vector(Tag::name, want.columns, start::constant(0))) {}
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return c.t.shared(p);
  }
};
/// The source of a stream of which a layer says nothing; specialise it for a stream of yours that has a range.
template <class Need>
struct default_source {
  using type = std::conditional_t<Need::timed, own_projection<typename Need::tag>, own_number<typename Need::tag>>;
};
template <ticks Ticks, width Width, owner Owner>
struct default_source<need<stream::log_decay, Ticks, Width, Owner>> {
  using tag = stream::log_decay;
  using type = std::conditional_t<Ticks != ticks::constant, mapped<range::gla_decay, own_projection<tag>>,
                                  mapped<range::minus_softplus, own_number<tag>>>;
};
template <ticks Ticks, width Width, owner Owner>
struct default_source<need<stream::beta, Ticks, Width, Owner>> {
  using tag = stream::beta;
  using type = mapped<range::strength, std::conditional_t<Ticks != ticks::constant, own_projection<tag>, own_number<tag>>>;
};
template <ticks Ticks, width Width, owner Owner>
struct default_source<need<stream::delta, Ticks, Width, Owner>> {
  using type = mapped<range::positive, own_projection<stream::delta>>;
};
template <ticks Ticks, width Width, owner Owner>
struct default_source<need<stream::z, Ticks, Width, Owner>> {
  using type = unit_heads<own_projection<stream::z>>;
};
template <owner Owner>
struct default_source<need<stream::theta, ticks::constant, width::pairs, Owner>> {
  using type = rope_angles;
};
template <>
struct default_source<fixed_per_head<stream::A_log>> {
  using type = number<"A_log", per::head, starts::rate>;
};
template <width Width>
struct default_source<need<stream::dt_bias, ticks::constant, Width>> {
  using type = number<"dt_bias", per::channel, starts::step>;
};

namespace detail {
template <class Need, class... Part>
struct source_of : default_source<Need> {};
template <class Need, class Source, class... Part>
struct source_of<Need, give<typename Need::tag, Source>, Part...> {
  using type = Source;
};
template <class Need, class First, class... Part>
struct source_of<Need, First, Part...> : source_of<Need, Part...> {};

template <class... Part>
struct stages_of {
  using type = std::tuple<projected<"o_proj">>;
};
template <class... Stage, class... Part>
struct stages_of<after<Stage...>, Part...> {
  using type = std::tuple<Stage...>;
};
template <class First, class... Part>
struct stages_of<First, Part...> : stages_of<Part...> {};

template <class Needs, class... Part>
struct sources_of;
template <class... Need, class... Part>
struct sources_of<list<Need...>, Part...> {
  static_assert(((Need::over == field::real) && ...),
                "coefdyn: nn::layer has sources for real streams; nn::lru and nn::s4 are layers of complex ones.");
  using type = std::tuple<typename source_of<Need, Part...>::type...>;
  template <class M, class Heads>
  static type make(const scope& s, const sizes& z) {
    const extents e = z.template call<Heads>(1, 1);
    return type{typename source_of<Need, Part...>::type(
        s, z, stream_shape{coefdyn::size_of<Need, M>(e), e.heads_of(Need::heads), Need::time == ticks::write ? traits<M>::writes : 1})...};
  }
};
template <class Stages>
struct make_stages;
template <class... Stage>
struct make_stages<std::tuple<Stage...>> {
  static std::tuple<Stage...> of(const scope& s, const sizes& z) { return std::tuple<Stage...>{Stage(s, z)...}; }
};
/// What the parts of a layer may say: sources of streams that the mixer has, stages, how values are grouped.
template <class Needs, class Part>
constexpr bool is_part = is_one_of<Part, grouped_values, drops_weights>;
template <class Needs, class... Stage>
constexpr bool is_part<Needs, after<Stage...>> = true;
template <class... Need, class Stream, class Source>
constexpr bool is_part<list<Need...>, give<Stream, Source>> = (std::is_same_v<typename Need::tag, Stream> || ...);
}  // namespace detail

/// o = stages(M(sources(u))).
///
/// shape   u (B, T, D) to o (B, T, D)
/// error   invalid_input for sizes that don't divide, when it is made
template <class M, class... Part>
class layer {
 public:
  using mixer_type = M;
  using needs = needs_of<M>;  // the mixer's streams, each of which has a source
  using heads_type = std::conditional_t<(std::is_same_v<Part, grouped_values> || ...), heads::grouped_values, heads::grouped_queries>;
  static_assert((detail::is_part<needs, Part> && ...),
                "coefdyn: a part of nn::layer<M, parts..> is give<stream, source> for a stream that M has, after<stages..>, grouped_values "
                "or drops_weights.");
  static constexpr bool may_drop_weights = (std::is_same_v<Part, drops_weights> || ...);
  static_assert(!may_drop_weights || form_exists<form::parallel, M>,
                "coefdyn: nn::drops_weights needs a mixer with a parallel form, in which its reads have weights; this one has none, since "
                "its A_t declares no structure.");

  /// Names its parameters in `s`: those of the sources, then those of the stages.
  layer(const scope& s, const sizes& z)
      : size(may_drop_weights ? z.complete() : without_dropped_weights(z).complete()),
        sources_(source_list::template make<M, heads_type>(s, size)),
        stages_(detail::make_stages<stages>::of(s, size)) {}

  /// o, recorded on the tape with its way back. `across`: what layers hand to those above them.
  /// error   invalid_input for another width
  template <class R, class On>
  value<R> operator()(tape<R, On>& t, const value<R>& u, across_layers<R>& across) const {
    if (u.columns != size.width) throw invalid_input("u", std::to_string(size.width) + " columns", std::to_string(u.columns));
    context<R, On> c(t, u, size, across);
    mixed_streams<M, R> streams;
    std::apply([&](const auto&... source) { streams.of = {c(source)...}; }, sources_);
    c.values = streams.of[2];
    value<R> y = mixed(t, streams, size.template call<heads_type>(u.batch, u.time));
    std::apply([&](const auto&... stage) { ((y = stage(c, y)), ...); }, stages_);
    return y;
  }

  const sizes size;  // complete: what was left 0 is filled in

 private:
  template <class R, class On>
  value<R> mixed(tape<R, On>& t, const mixed_streams<M, R>& streams, const extents& e) const {
    if constexpr (may_drop_weights) return mix_with_dropout<M, heads_type>(t, streams, e, size.drop_weights);
    else return mix<M, heads_type>(t, streams, e);
  }
  using source_list = detail::sources_of<needs, Part...>;
  using stages = typename detail::stages_of<Part...>::type;
  typename source_list::type sources_;
  stages stages_;
};

}  // namespace coefdyn::nn
