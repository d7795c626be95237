// SPDX-License-Identifier: MIT
#pragma once
#include <array>

#include "../core/streams.hpp"
#include "../cpu/backward.hpp"
#include "../decode/cache.hpp"
#include "tape.hpp"

namespace coefdyn::nn {

/// Values for the streams of a mixer, in the order of its needs.
template <class M, class R, field Over = field::real>
struct mixed_streams {
  using needs = needs_of<M, Over>;
  template <class... Need>
  static constexpr std::size_t count_of(list<Need...>) {
    return sizeof...(Need);
  }
  static constexpr std::size_t count = count_of(needs{});
  std::array<value<R>, count> of;

  template <class Need>
  static constexpr std::size_t place() {
    std::size_t i = 0, at = 0;
    for_each_need(needs{}, [&]<class N>(N) { at = std::is_same_v<N, Need> ? i : at, ++i; });
    return at;
  }
  template <class Need>
  value<R>& at() {
    return of[place<Need>()];
  }
  template <class Need>
  const value<R>& at() const {
    return of[place<Need>()];
  }
};

namespace detail {
template <class Need, class R>
using stored_number = std::conditional_t<Need::over == field::complex, complex<R>, R>;

/// The rows of an activation as a stream; several writes of a token lie behind each other in its row.
template <class Need, class M, class R>
view<stored_number<Need, R>, Need::rank> stream_of(const value<R>& v, R* data, const extents& e) {
  constexpr idx numbers = Need::over == field::complex ? 2 : 1, writes = Need::time == ticks::write ? traits<M>::writes : 1;
  auto out = view_of<Need, M>(reinterpret_cast<stored_number<Need, R>*>(data), e);
  if (coefdyn::size_of<Need, M>(e) == 0) return out;
  const idx rows = Need::timed ? e.batch * e.time : 1, width = coefdyn::size_of<Need, M>(e) / rows * numbers;
  const idx own = v.stride == 0 && Need::timed ? width / writes : width;  // one row for all is one write's
  if (v.columns != own || (v.stride != 0 && v.rows() != rows))
    throw invalid_input(std::string("source of ") + Need::tag::name, std::to_string(rows) + " rows of " + std::to_string(own),
                        std::to_string(v.rows()) + " of " + std::to_string(v.columns));
  if constexpr (Need::timed) {
    if (writes > 1 && v.stride != 0 && v.stride != width)
      throw invalid_input(std::string("source of ") + Need::tag::name, "rows without gaps, for several writes a token",
                          "a part of wider rows");
    out.strides[1] = v.stride / numbers / writes;
    out.strides[0] = v.stride / numbers * e.time;
  }
  return out;
}
template <class M, class Heads, field Over, class R>
tokens<M, R, Heads, Over> tokens_of(const mixed_streams<M, R, Over>& s, const extents& e) {
  tokens<M, R, Heads, Over> x;
  for_each_need(needs_of<M, Over>{}, [&]<class N>(N) {
    const auto v = stream_of<N, M>(s.template at<N>(), s.template at<N>().data, e);
    x.template set<N>(view<const stored_number<N, R>, N::rank>(v));
  });
  return x;
}
template <class M, class Heads, field Over, class R>
gradients<M, R, Heads, Over> gradients_of(const mixed_streams<M, R, Over>& s, const extents& e) {
  gradients<M, R, Heads, Over> g;
  g.accumulate = true;
  for_each_need(needs_of<M, Over>{}, [&]<class N>(N) {
    if (const value<R>& v = s.template at<N>(); v.gradient) g.template set<N>(stream_of<N, M>(v, v.gradient, e));
  });
  return g;
}
inline workspace aligned(workspace w) { return w.subspan((64 - reinterpret_cast<std::uintptr_t>(w.data()) % 64) % 64); }
/// x as it would be with `time` tokens, all of them the first: for sizes alone.
template <class X>
X with_time(X x, idx time) {
  for_each_need(typename X::needs{}, [&]<class N>(N) {
    if constexpr (N::timed) {
      auto v = x.template of<N>();
      v.extents[1] = time * (N::time == ticks::write ? traits<typename X::mixer_type>::writes : 1), v.strides[1] = 0;
      x.template set<N>(v);
    }
  });
  return x;
}
/// The mixer after the tokens of the past: from its state, which moves on, or from its cache, which grows.
template <class M, class R, class On, class Heads, field Over>
void mix_after(tape<R, On>& t, past& before, const tokens<M, R, Heads, Over>& x, const view<R, 4>& y, const extents& e) {
  const form::automatic form_{};
  using space = memory_of<On>;
  if constexpr (traits<M>::linear) {
    auto& s = before.next<state<M, R, space>>([&] { return state<M, R, space>(e, t.space()); });
    run(t.on, form_, x, y, {s, s}, aligned(t.scratch(workspace_bytes(t.on, form_, x) + 64)));
  } else {
    before.keeps_tokens();
    using kept_tokens = cache<M, R, Heads, Over, space>;
    auto& kept = before.next<kept_tokens>([&] { return kept_tokens(e.batch, e.states, e.keys, e.n, e.d, before.capacity(), t.space()); });
    const std::size_t most = workspace_bytes(t.on, form_, with_time(x, before.capacity()));
    const auto all = kept.extend(x);
    run(t.on, form_, all, y, {}, aligned(t.scratch(std::max(most, workspace_bytes(t.on, form_, all)) + 64)));
  }
}
/// The mixer by a form, and its way back.
template <class M, class Heads, field Over, class Form, class R, class On>
value<R> mix_by(tape<R, On>& t, Form form_, const mixed_streams<M, R, Over>& streams, const extents& e) {
  const value<R> y = t.make(e.batch, e.time, e.readers * e.d);
  const auto x = tokens_of<M, Heads, Over>(streams, e);
  t.show(x);
  run(t.on, form_, x, view<R, 4>(y.data, e.batch, e.time, e.readers, e.d), {}, aligned(t.scratch(workspace_bytes(t.on, form_, x) + 64)));
  t.record([=](tape<R, On>& back) {
    const auto again = tokens_of<M, Heads, Over>(streams, e);
    const auto g = gradients_of<M, Heads, Over>(streams, e);
    const view<const R, 4> dy(y.gradient, e.batch, e.time, e.readers, e.d);
    backward(back.on, form_, again, dy, g, {}, {}, aligned(back.scratch(backward_workspace_bytes(back.on, form_, again) + 64)));
  });
  return y;
}
}  // namespace detail

/// y = M(streams): the mixer as an operation, in the form said or that `form::automatic` chooses; after the tokens of the past, where there
/// is one.
///
/// shape   y (B, T, heads d), the heads of e that read
/// error   invalid_input where a source has not the shape of its stream, and as `run`
template <class M, class Heads = heads::grouped_queries, field Over = field::real, class Form = form::automatic, class R, class On>
value<R> mix(tape<R, On>& t, const mixed_streams<M, R, Over>& streams, const extents& e) {
  if (!t.before()) return detail::mix_by<M, Heads>(t, Form{}, streams, e);
  const value<R> y = t.make(e.batch, e.time, e.readers * e.d);
  const auto x = detail::tokens_of<M, Heads, Over>(streams, e);
  t.show(x);
  detail::mix_after(t, *t.before(), x, view<R, 4>(y.data, e.batch, e.time, e.readers, e.d), e);
  return y;
}
/// The same; in a step that has draws, as one of training has, by form::parallel, with weights dropped with probability p. Its stream is
/// that of the next call of `dropout`.
///
/// error   invalid_input unless 0 <= p < 1
template <class M, class Heads = heads::grouped_queries, field Over = field::real, class R, class On>
value<R> mix_with_dropout(tape<R, On>& t, const mixed_streams<M, R, Over>& streams, const extents& e, double p) {
  if (p == 0) return mix<M, Heads>(t, streams, e);
  const auto site = t.next_site();
  if (!site) return mix<M, Heads>(t, streams, e);
  return detail::mix_by<M, Heads>(t, form::parallel{{p, t.draws_of(*site), t.first_sequence()}}, streams, e);
}

}  // namespace coefdyn::nn
