// SPDX-License-Identifier: MIT
#pragma once
#include "../skeletons/state_rows.hpp"
#include "../stages/head.hpp"
#include "../stages/lower.hpp"
#include "../tuning.hpp"

/// The recurrent form of a structured evolution, and its step: rows of the lowered timeline, each one pass over the state
/// from memory (skeletons/state_rows.hpp). Where the caller's state has the arithmetic's type, it is worked on in place.
///
///   S_r = (I + s col row') D_r S_{r-1} + b K v',   y_i = S_i' q_i / eta_i;   with a sum, z rides along as a vector
namespace coefdyn::cpu {

template <class M, class R, class X>
struct recurrent_head : state_rows<M, R> {
  using rows = state_rows<M, R>;
  state_frame<M, R, X::over> in;
  reader_frame<M, R, X::over> reads;
  R* scratch = nullptr;

  recurrent_head() = default;
  recurrent_head(arena& a, const extents& size, int length_)
      : rows(a, size.n, size.d, length_, readers_per_state(size)),
        in(a, shape(size, length_)),
        reads(a, shape(size, length_)),
        scratch(a.take<R>(3 * idx(size.n))) {}
  static frame_shape shape(const extents& size, int length) {
    return {.n = size.n, .d = size.policy_d(), .e = value_width<M>(size.d), .tokens = length};
  }
};

/// Whether the caller's states have the arithmetic's type, so that they can be worked on where they are.
template <class M, class R, class Types>
constexpr bool states_as_given = std::is_same_v<state_element<M, typename Types::state>, R>;

/// Where the passes over a head's state go: from the caller's initial state and to its final one where those can be worked on, else a copy.
/// Returns whether they end in the caller's.
template <class M, class R, class X, class Types>
bool take_state(const extents& size, const head_place& head, const carried<M, Types>& c, recurrent_head<M, R, X>& w) {
  bool in_place = false;
  w.from = w.to = w.own, w.ld_from = w.ld_to = size.d, w.next = nullptr;
  if constexpr (states_as_given<M, R, Types>) {
    if (c.final && c.final.S.strides[3] == 1 && head.tokens() > 0)
      w.to = &c.final.S(head.index, head.state, 0, 0), w.ld_to = c.final.S.strides[2], in_place = true;
    if (c.initial && c.initial.S.strides[3] == 1 && head.tokens() > 0)
      w.from = &c.initial.S(head.index, head.state, 0, 0), w.ld_from = c.initial.S.strides[2];
  }
  if (w.from == w.own) {
    clear(w.own, idx(w.n) * size.d);
    if (c.initial) load_matrix(c.initial.S, head.index, head.state, size.n, size.d, size.d, w.own);
  }
  if constexpr (traits<M>::needs_sum) {
    clear(w.z, w.n);
    if (c.initial)
      for (int r = 0; r < size.n; ++r) state_in(w.z, 1, size.n, r, 0, c.initial.z(head.index, head.state, r));
  }
  return in_place;
}
/// z as it leaves.
template <class M, class R, class X>
const R* turned_sum(const recurrent_head<M, R, X>& w) {
  if constexpr (traits<M>::needs_sum) return turned_copy(w.o, w.z, idx(1), 1, operands<M, R>::turns ? w.turned + idx(w.n) * w.d : nullptr);
  else return nullptr;
}
/// The state at hand, with maximum m, into the caller's `out`.
template <class M, class R, class X, class V>
void keep_state(const extents& size, const head_place& head, const V& out, idx slot, R m, const recurrent_head<M, R, X>& w) {
  const int n = size.n, d = size.d;
  const R *S = turned_copy(w.o, w.from, w.ld_from, d, w.turned), *z = turned_sum(w);
  const idx ld = operands<M, R>::turns ? idx(d) : w.ld_from;
  using E = std::remove_cvref_t<decltype(out.S(0, 0, 0, 0))>;
  for (int r = 0; r < n; ++r) {
    if constexpr (is_complex<E>)
      for (int v = 0; v < d; ++v) out.S(slot, head.state, r, v) = converted<E>(complex<R>{S[r * ld + v], S[(r + n) * ld + v]});
    else convert(d, S + r * ld, idx(1), &out.S(slot, head.state, r, 0), out.S.strides[3]);
  }
  store_rest<M>(out, slot, head.state, n, 1, z, m);
}
/// While the last token is computed, prefetches what the next head begins with; where all states fit the cache, only for a second pass.
template <class M, class R, class X, class Y, class Types>
void fetch_next_head(const X& x, const extents& size, const head_place& head, const Y& y, const carried<M, Types>& c,
                     recurrent_head<M, R, X>& w) {
  const bool from_memory = idx(sizeof(R)) * w.n * size.d * size.states * size.sequences > cached_states;
  head_place after = head;
  if ((!from_memory && !operands<M, R>::corrects) || !next_head(x, size, after) || after.tokens() <= size.first_read) return;
  if constexpr (states_as_given<M, R, Types>)
    if (c.initial && c.initial.S.strides[3] == 1) w.next = &c.initial.S(after.index, after.state, 0, 0);
  if (!from_memory) return;
  fetch_rows(x, size, after.s, after.at(0), 0, typename decltype(w.in)::needs{});
  fetch_rows(x, size, after.s, after.at(0), size.first_read, typename decltype(w.reads)::needs{});
  if (y.strides[3] == 1) fetch<true>(after.row(0, 0).in(y), size.d);
}
/// Queries of every reader of tokens [t + from, t + count), and where their results go: to the caller's y if they can.
template <class M, class R, class X, class Y>
void load_window_reads(const X& x, const extents& size, const head_place& head, const Y& y, idx t, int count, int from, int readers,
                       recurrent_head<M, R, X>& w) {
  using traits_ = traits<M>;
  for (int k = 0; k < readers; ++k) {
    gather<M>(w.machine.where(), x, size, head.s, head.at(k), t + from, count - from, true, w.reads, w.scratch);
    R* Q = w.Q + idx(k) * w.length * traits_::micro * w.n;
    R* given = lower_reads<M>(w.reads, w.o, from, Q, w.p + idx(k) * w.length);
    if (given != Q && head.readers > 1) copy(given, idx(count) * w.n, Q), given = Q;
    w.queries[k] = given;
  }
  w.reads_to = w.Y, w.ld_reads = w.width();
  if constexpr (!traits_::needs_sum && !operands<M, R>::before && std::is_same_v<std::remove_cvref_t<decltype(y(0, 0, 0, 0))>, R>)
    if (readers == 1 && from == 0 && y.strides[3] == 1) w.ld_reads = y.strides[1], w.reads_to = head.row(t - size.first_read, 0).in(y);
}
/// y of those tokens.
template <class M, class R, class X, class Y>
void finish_window(const X& x, const extents& size, const head_place& head, const Y& y, idx start, idx t, int count, int from, int readers,
                   recurrent_head<M, R, X>& w) {
  for (int k = 0; k < readers; ++k) {
    if (readers > 1) gather<M>(w.machine.where(), x, size, head.s, head.at(k), t + from, count - from, true, w.reads, w.scratch);
    for (int i = from; i < count; ++i)
      finish_row<M, R>(w.result(k, i), size.d, w.o.m[i], w.reads.at(i - from, 0, start + t + i), y, head.row(t + i - size.first_read, k));
  }
}

/// Forward of one head over tokens [0, T) of its sequence.
template <class M, class R, class X, class Y, class Types>
void recurrent_forward(const X& x, const extents& size, const head_place& head, const Y& y, const carried<M, Types>& c,
                       recurrent_head<M, R, X>& w) {
  using O = operands<M, R>;
  const idx tokens = head.tokens(), start = initial_position(c, head.index);
  R m = initial_maximum<M, Types, R>(c, head.index, head.state);
  const bool in_place = take_state(size, head, c, w);
  w.o.begin_sequence();
  if (head.readers > 1) clear(w.nothing, w.n > w.d ? w.n : w.d);
  const auto keep = [&](const auto& out, idx slot) { keep_state(size, head, out, slot, m, w); };
  auto captured = captures_of(c, head, size);
  captured.after(0, keep);
  over_chunks(tokens, w.length, c.positions, [&](idx t, int count) {
    gather<M>(w.machine.where(), x, size, head.s, head.at(0), t, count, t == 0, w.in, w.scratch);
    w.o.tokens = count, w.o.rows = count * O::micro, w.o.from_nothing = !c.initial && t == 0;
    lower<M>(w.machine.where(), w.in, start + t, m, w.o);
    if constexpr (O::has_decays) w.machine.exp(idx(w.o.rows) * w.o.decay_width(), w.o.g, w.w);
    const int from = unread(size, t, count), readers = from < count ? head.readers : 0;
    load_window_reads(x, size, head, y, t, count, from, readers, w);
    for (int i = 0; i < count; ++i) {
      const bool reading = i >= from;
      if (t + i + 1 == tokens) fetch_next_head(x, size, head, y, c, w);
      if (O::before && reading) w.read(i, readers);
      w.token(i, reading ? readers : 0);
    }
    finish_window(x, size, head, y, start, t, count, from, readers, w);
    captured.after(t + count, keep);
  });
  if (!c.final) return;
  if (!in_place) return keep(c.final, head.index);
  turn_state(w.o, +1, w.to, w.ld_to, w.d);
  store_rest<M>(c.final, head.index, head.state, size.n, 1, turned_sum(w), m);
}

}  // namespace coefdyn::cpu
