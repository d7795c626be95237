// SPDX-License-Identifier: MIT
#pragma once
#include "head.hpp"
#include "raise.hpp"
#include "scatter.hpp"

/// Where a backward pass collects: the gradients of one group of heads in the arithmetic's type, added to the caller's tensors
/// once, in a fixed order: over a whole sequence where states share a key head, else part by part as they are done.
namespace coefdyn::cpu {

/// What a backward pass reads and writes besides the inputs.
template <class M, class Types, class G, class DY>
struct backward_call {
  const G& g;
  const DY& dy;
  const carried<M, Types>& c;
  const carried_gradients<M, Types>& s;
  bool write_only;  // leaving::write_only: the destinations are uninitialised
};

template <class M, class R, class X>
struct gradient_frames {
  state_frame<M, R, X::over> state;
  reader_frame<M, R, X::over>* readers = nullptr;  // one for each reader of the state
  int count = 0;
  bool by_part = false;  // parts leave as they are done
  idx begin = 0;         // the token of row 0

  gradient_frames() = default;
  /// `part`: the most tokens of a part, for forms that are done with one before the next.
  gradient_frames(arena& a, const extents& e, idx tokens, idx part = 0)
      : count(readers_per_state(e)), by_part(part > 0 && part < tokens && states_per_group(e) == 1) {
    const frame_shape shape{.n = e.n, .d = e.d, .e = value_width<M>(e.d), .tokens = by_part ? part : tokens};
    state = state_frame<M, R, X::over>(a, shape);
    readers = a.take<reader_frame<M, R, X::over>>(count);
    for (int r = 0; r < count; ++r) {
      reader_frame<M, R, X::over> f(a, shape);
      if (readers) readers[r] = f;
    }
  }
  idx row(idx t) const { return t - begin; }
  /// Rows of a part that starts at token t.
  void open(idx t) {
    if (!by_part) return;
    begin = t;
    state.clear_timed();
    for (int r = 0; r < count; ++r) readers[r].clear_timed();
  }
  /// Rows [t, t + tokens) to the caller; `raw` as in scatter.
  template <class G>
  void leave(const X& x, const G& g, const extents& e, const head_place& head, idx t, idx tokens, leaving which, R* raw) const {
    scatter<M, R>(x, g, e, head.s, head.at(0), t, tokens, which, state, raw);
    for (int r = 0; r < head.readers; ++r) scatter<M, R>(x, g, e, head.s, head.at(r), t, tokens, which, readers[r], raw);
  }
  void clear(bool keep_shared) {
    state.clear(keep_shared);
    for (int r = 0; r < count; ++r) readers[r].clear(keep_shared);
  }
};

/// Constant streams of every head, kept apart until all items are done, then added in the order of the heads.
template <class M, class R, class X>
struct constant_slots {
  using Needs = typename X::needs;
  state_frame<M, R, X::over>* states = nullptr;
  reader_frame<M, R, X::over>* readers = nullptr;

  constant_slots(arena& a, const extents& e) {
    const idx s = e.sequences * e.states, r = e.sequences * e.readers;
    states = a.take<state_frame<M, R, X::over>>(s), readers = a.take<reader_frame<M, R, X::over>>(r);
    for (idx i = 0; i < s; ++i) place(a, e, states, i);
    for (idx i = 0; i < r; ++i) place(a, e, readers, i);
  }
  void keep(const extents& e, const head_place& head, const gradient_frames<M, R, X>& d) {
    copy(d.state, states[head.index * e.states + head.state]);
    for (int r = 0; r < head.readers; ++r) copy(d.readers[r], readers[head.index * e.readers + head.first_reader + r]);
  }
  template <class G>
  void add_all(const X& x, const extents& e, const G& g) const {
    for (idx s = 0; s < e.sequences; ++s) {
      for (int h = 0; h < e.states; ++h)
        scatter<M, R>(x, g, e, sequence_at(x, e, s), {h, 0}, 0, 0, leaving{.timed = false, .constants = true, .shared = false},
                      states[s * e.states + h], static_cast<R*>(nullptr));
      for (int h = 0; h < e.readers; ++h)
        scatter<M, R>(x, g, e, sequence_at(x, e, s), {0, h}, 0, 0, leaving{.timed = false, .constants = true, .shared = false},
                      readers[s * e.readers + h], static_cast<R*>(nullptr));
    }
  }

 private:
  template <class F>
  static void place(arena& a, const extents& e, F* at, idx i) {
    F f(a, {.n = e.n, .d = e.d, .e = value_width<M>(e.d), .tokens = 0});
    if (!at) return;
    f.clear();
    at[i] = f;
  }
  template <class... Need>
  static void copy(const frame<M, R, list<Need...>>& from, frame<M, R, list<Need...>>& to) {
    for_each_need(list<Need...>{}, [&]<class N>(N) {
      if (N::timed) return;
      const auto& b = from.template of<N>();
      auto& t = to.template of<N>();
      for (idx i = 0; i < b.stride; ++i) t.p[i] = b.p[i];
    });
  }
};

/// Complex states of a kernel that is not lowered carry p with dL = Re(p' dS), the conjugate of the caller's gradient.
template <class E, class X>
COEFDYN_HD X conjugate_if_complex(const X& x) {
  if constexpr (is_complex<E> && is_complex<X>) return conj(x);
  else return x;
}
/// Gradient of the final state into a kernel's dS (n, e), times e^m: S = e^m S~.
template <class M, class Types, class E, class R>
void load_final_gradient(const carried_gradients<M, Types>& s, idx sequence, int h, int n, int d, int e, R m, E* dS) {
  const int rows = is_complex<E> ? n : traits<M>::lowered(n);
  clear(dS, idx(rows) * e);
  if (!s.final) return;
  const R f = traits<M>::stabilised ? math::exp(m) : R(1);
  for (int c = 0; c < n; ++c) {
    for (int v = 0; v < d; ++v) state_in(dS, e, n, c, v, conjugate_if_complex<E>(s.final.S(sequence, h, c, v)));
    if constexpr (traits<M>::needs_sum)
      if (s.final.z) state_in(dS, e, n, c, d, conjugate_if_complex<E>(s.final.z(sequence, h, c)));
  }
  if (traits<M>::stabilised)
    for (idx i = 0; i < idx(rows) * e; ++i) dS[i] = f * dS[i];
}
template <class R, class E>
COEFDYN_HD E scaled(R f, const E& x) {
  return f * x;
}
template <class M, class Types, class E, class R>
void store_initial_gradient(const carried_gradients<M, Types>& s, idx sequence, int h, int n, int d, int e, R m, const E* dS) {
  if (!s.initial) return;
  using Out = std::remove_cvref_t<decltype(s.initial.S(0, 0, 0, 0))>;
  const R f = traits<M>::stabilised ? math::exp(-m) : R(1);
  for (int c = 0; c < n; ++c) {
    for (int v = 0; v < d; ++v)
      s.initial.S(sequence, h, c, v) = converted<Out>(conjugate_if_complex<E>(scaled(f, state_out<state_element<M, R>>(dS, e, n, c, v))));
    if constexpr (traits<M>::needs_sum)
      if (s.initial.z)
        s.initial.z(sequence, h, c) = converted<Out>(conjugate_if_complex<E>(scaled(f, state_out<state_element<M, R>>(dS, e, n, c, d))));
  }
}
}  // namespace coefdyn::cpu
