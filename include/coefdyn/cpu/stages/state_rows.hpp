// SPDX-License-Identifier: MIT
#pragma once
#include "../products/products.hpp"
#include "../tuning.hpp"
#include "head.hpp"
#include "lower.hpp"

/// The recurrent form of a structured evolution, and its step: rows of the lowered timeline, each one pass over the state
/// from memory (products::state_row). Where the caller's state has the arithmetic's type, it is worked on in place.
///
///   S_r = (I + s col row') D_r S_{r-1} + b K v',   y_i = S_i' q_i / eta_i;   with a sum, z rides along as a vector
namespace coefdyn::cpu {

template <class M, class R, class X>
struct state_rows_head {
  using T = traits<M>;
  using O = operands<M, R>;
  int length = 0, n = 0, d = 0;
  state_frame<M, R, X::over> in;
  reader_frame<M, R, X::over> reads;
  O o;
  products<R> px;
  R *own = nullptr, *z = nullptr, *w = nullptr, *row = nullptr;    // (n, d), (n), (rows, 1 or n), (2, n)
  R* turned = nullptr;                                             // (n, d), (n): a state on its way out
  R* ahead = nullptr;                                              // (d): S' row of the row that comes next
  const R* left_ahead = nullptr;                                   // that row
  R *Q = nullptr, *p = nullptr, *Y = nullptr, *scratch = nullptr;  // per reader: (rows, n), (length), (length, width)
  R* reads_to = nullptr;                                           // where the tokens' reads go: Y or the caller's y
  idx ld_reads = 0;
  const R** queries = nullptr;            // per reader
  R *nothing = nullptr, *sink = nullptr;  // max(n, d) zeros, (n, d): of the second reader on
  // the state of the sequence at hand
  const R* from = nullptr;
  R* to = nullptr;
  idx ld_from = 0, ld_to = 0;
  const R* next = nullptr;  // during the last token: the state of the head that comes next

  state_rows_head() = default;
  state_rows_head(arena& a, const extents& e, int length_)
      : length(length_),
        n(T::lowered(e.n)),
        d(e.d),
        in(a, shape(e, length_)),
        reads(a, shape(e, length_)),
        o(a, length_, e.n, value_width<M>(e.d), T::micro > 1 && !T::structure.writes_each),
        px(products<R>::best()) {
    const idx rows = idx(length) * T::micro, readers = readers_per_state(e);
    own = a.take<R>(idx(n) * d), z = a.take<R>(n), row = a.take<R>(2 * n);
    if (O::turns) turned = a.take<R>(idx(n) * d + n);
    if (O::corrects) ahead = a.take<R>(d);
    if (O::has_gates) w = a.take<R>(rows * (O::channel ? n : 1));
    Q = a.take<R>(readers * rows * n), p = a.take<R>(readers * length), Y = a.take<R>(readers * length * width()),
    scratch = a.take<R>(3 * idx(e.n)), queries = a.take<const R*>(readers);
    if (readers > 1) nothing = a.take<R>(n > d ? n : d), sink = a.take<R>(idx(n) * d);
  }
  static frame_shape shape(const extents& e, int length) { return {e.n, e.policy_d(), value_width<M>(e.d), length}; }
  /// A read row with its sum at d, whole cache lines.
  int width() const { return (d + 16) / 16 * 16; }
  R* result(int r, int i) const { return reads_to + (idx(r) * length + i) * ld_reads; }

  /// Rows of a token, read by the token's queries where it reads after its write. Each row's pass also sums what the next row of
  /// the window is corrected by.
  void token(int i, int readers) {
    for (int l = 0; l < T::micro; ++l) {
      const int r = i * T::micro + l;
      const R *decays = nullptr, *left = nullptr, *col = nullptr, *known = nullptr, *row_ahead = nullptr;  // decays: per channel
      R decay(1), strength(0);
      if constexpr (O::channel) {
        if (l == 0) decays = w + idx(r) * n;
      } else if constexpr (O::has_gates) {
        if (l == 0) decay = w[r];
      }
      if constexpr (O::corrects) {
        left = r ? left_ahead : left_of(r), known = r ? ahead : nullptr;
        left_ahead = row_ahead = r + 1 < o.rows ? left_of(r + 1) : nullptr;
        strength = o.s[r] * (T::structure.row_sees == sees::decayed ? decay : R(1));
        if constexpr (!O::tied) col = o.col + idx(r) * n;
      }
      const bool fused = !O::before && readers > 0 && l == T::micro - 1;
      px.state_row(
          n, {decays, left, col, o.K + idx(r) * n, o.V + idx(r) * o.e, fused ? queries[0] + idx(r) * n : nullptr, strength, o.b[r], decay,
              from, ld_from, to, ld_to, result(0, i), d, r + 1 == o.rows ? next : nullptr, known, row_ahead, row_ahead ? ahead : nullptr});
      from = to, ld_from = ld_to;
      if constexpr (T::needs_sum) sum_row(r, decays, decay, left, strength, col);
      if (fused) read_sum(0, i, queries[0] + idx(r) * n);
    }
    if (!O::before)
      for (int k = 1; k < readers; ++k) read_again(k, i);
  }
  /// Another reader of the token: the same pass without a write, so that a reader's bits do not depend on the others.
  void read_again(int k, int i) {
    const R* q = queries[k] + idx(read_row<M>(i)) * n;
    px.state_row(n, {nullptr, nullptr, nullptr, nothing, nothing, q, R(0), R(0), R(1), from, ld_from, sink, idx(d), result(k, i), d});
    read_sum(k, i, q);
  }
  /// Reads of a token before its write.
  void read(int i, int readers) {
    const int r = read_row<M>(i);
    for (int k = 0; k < readers; ++k) {
      R* y = result(k, i);
      const R* q = queries[k] + idx(r) * n;
      clear(y, d + 1);
      px.nn(1, d, n, q, n, from, ld_from, y, d);
      read_sum(k, i, q);
      if constexpr (O::before) {
        const int at = i * T::micro + T::micro - 1;
        const R f = p[idx(k) * length + i] * o.b[at];
        px.add_scaled_rows(1, T::needs_sum ? d + 1 : d, &f, o.V + idx(at) * o.e, o.e, y, width());
      }
    }
  }

 private:
  /// Row r with the decays that it sees by channel.
  const R* left_of(int r) const {
    const R* left = o.row + idx(r) * n;
    if (!O::channel || T::structure.row_sees != sees::decayed || r % T::micro) return left;
    R* const seen = row + idx(r / T::micro % 2) * n;
    by_channel(n, seen, [&](int c) { return w[idx(r) * n + c] * left[c]; });
    return seen;
  }
  void sum_row(int r, const R* decays, R decay, const R* left, R strength, const R* col) {
    const R* k = o.K + idx(r) * n;
    R along(0), write = o.b[r];
    if constexpr (O::corrects) along = strength * sum_over<R>(n, [&](int c) { return left[c] * z[c]; });
    if (!col) write += along;
    by_channel(n, z, [&](int c) { return (decays ? decays[c] : decay) * z[c]; });
    by_channel(n, z, [&](int c) { return z[c] + k[c] * write; });
    if (col) by_channel(n, z, [&](int c) { return z[c] + col[c] * along; });
  }
  void read_sum(int k, int i, const R* q) const {
    if constexpr (T::needs_sum) result(k, i)[d] = sum_over<R>(n, [&](int c) { return q[c] * z[c]; });
  }
};

/// Forward of one head over tokens [0, T) of its sequence.
template <class M, class R, class X, class Y, class Types>
void state_rows_forward(const X& x, const extents& e, const head& hd, const Y& y, const carried<M, Types>& c, state_rows_head<M, R, X>& w) {
  using T = traits<M>;
  using O = operands<M, R>;
  const idx tokens = hd.tokens(), start = initial_position(c, hd.index);
  const int n = w.n, d = e.d;
  R m = initial_maximum<M, Types, R>(c, hd.index, hd.state);
  // the state: the caller's where it can be worked on, else a copy
  constexpr bool same = std::is_same_v<state_element<M, typename Types::state>, R>;
  w.from = w.to = w.own, w.ld_from = w.ld_to = d, w.next = nullptr;
  bool in_place = false;
  if constexpr (same) {
    if (c.final && c.final.S.strides[3] == 1 && tokens > 0)
      w.to = &c.final.S(hd.index, hd.state, 0, 0), w.ld_to = c.final.S.strides[2], in_place = true;
    if (c.initial && c.initial.S.strides[3] == 1 && tokens > 0)
      w.from = &c.initial.S(hd.index, hd.state, 0, 0), w.ld_from = c.initial.S.strides[2];
  }
  if (w.from == w.own) {
    clear(w.own, idx(n) * d);
    if (c.initial) load_matrix(c.initial.S, hd.index, hd.state, e.n, d, d, w.own);
  }
  if constexpr (T::needs_sum) {
    clear(w.z, n);
    if (c.initial)
      for (int r = 0; r < e.n; ++r) state_in(w.z, 1, e.n, r, 0, c.initial.z(hd.index, hd.state, r));
  }
  w.o.begin_sequence();
  const auto turned_sum = [&]() -> const R* {
    if constexpr (T::needs_sum) return turned_copy(w.o, w.z, idx(1), 1, O::turns ? w.turned + idx(n) * d : nullptr);
    else return nullptr;
  };
  const auto keep = [&](const auto& out, idx slot) {
    const R *S = turned_copy(w.o, w.from, w.ld_from, d, w.turned), *z = turned_sum();
    const idx ld = O::turns ? idx(d) : w.ld_from;
    for (int r = 0; r < e.n; ++r)
      for (int v = 0; v < d; ++v) {
        using E = std::remove_cvref_t<decltype(out.S(0, 0, 0, 0))>;
        if constexpr (is_complex<E>) out.S(slot, hd.state, r, v) = converted<E>(complex<R>{S[r * ld + v], S[(r + e.n) * ld + v]});
        else if (v == 0) convert(d, S + r * ld, idx(1), &out.S(slot, hd.state, r, 0), out.S.strides[3]);
      }
    store_rest<M>(out, slot, hd.state, e.n, 1, z, m);
  };
  std::size_t next = 0;
  const auto capture = [&](idx seen) {
    for (; next < c.positions.size() && (c.positions[next] <= seen || seen == tokens); ++next)
      keep(c.captured, idx(next) * e.sequences + hd.index);
  };
  const auto load_reads = [&](int k, idx t, int count, int from) {
    gather<M>(w.px.where(), x, e, hd.s, hd.at(k), t + from, count - from, true, w.reads, w.scratch);
    R* Q = w.Q + idx(k) * w.length * T::micro * n;
    R* given = lower_reads<M>(w.reads, w.o, from, Q, w.p + idx(k) * w.length);
    if (given != Q && hd.readers > 1) copy(idx(count) * n, given, Q), given = Q;
    return given;
  };
  // during the last token: what the head that comes next begins with; from a cache only what a second pass has time for
  const auto fetch_next = [&] {
    const bool from_memory = idx(sizeof(R)) * n * d * e.states * e.sequences > cached_states;
    head after = hd;
    if ((!from_memory && !O::corrects) || !next_head(x, e, after) || after.tokens() <= e.first_read) return;
    if constexpr (same)
      if (c.initial && c.initial.S.strides[3] == 1) w.next = &c.initial.S(after.index, after.state, 0, 0);
    if (!from_memory) return;
    fetch_rows(x, e, after.s, after.at(0), 0, typename decltype(w.in)::needs{});
    fetch_rows(x, e, after.s, after.at(0), e.first_read, typename decltype(w.reads)::needs{});
    if (y.strides[3] == 1) fetch<true>(&y(after.s.batch, after.s.begin, after.first_reader, 0), e.d);
  };
  if (hd.readers > 1) clear(w.nothing, n > d ? n : d);
  capture(0);
  over_chunks(tokens, w.length, c.positions, [&](idx t, int count) {
    gather<M>(w.px.where(), x, e, hd.s, hd.at(0), t, count, t == 0, w.in, w.scratch);
    w.o.tokens = count, w.o.rows = count * T::micro, w.o.from_nothing = !c.initial && t == 0;
    lower<M>(w.px.where(), w.in, start + t, m, w.o);
    if constexpr (O::has_gates) w.px.exp(idx(w.o.rows) * w.o.gate_width(), w.o.g, w.w);
    const int from = unread(e, t, count);
    const int readers = from < count ? hd.readers : 0;
    for (int k = 0; k < readers; ++k) w.queries[k] = load_reads(k, t, count, from);
    w.reads_to = w.Y, w.ld_reads = w.width();
    if constexpr (!T::needs_sum && !O::before && std::is_same_v<std::remove_cvref_t<decltype(y(0, 0, 0, 0))>, R>)
      if (readers == 1 && from == 0 && y.strides[3] == 1)
        w.ld_reads = y.strides[1], w.reads_to = &y(hd.s.batch, hd.s.begin + t - e.first_read, hd.first_reader, 0);
    for (int i = 0; i < count; ++i) {
      const bool reading = i >= from;
      if (t + i + 1 == tokens) fetch_next();
      if (O::before && reading) w.read(i, readers);
      w.token(i, reading ? readers : 0);
    }
    for (int k = 0; k < readers; ++k) {
      if (readers > 1) gather<M>(w.px.where(), x, e, hd.s, hd.at(k), t + from, count - from, true, w.reads, w.scratch);
      for (int i = from; i < count; ++i) {
        const R* out = w.result(k, i);
        finish_row<M, R>(out, d, T::needs_sum ? out[d] : R(0), w.o.m[i], w.reads.at(i - from, 0, start + t + i), y, hd.s.batch,
                         hd.s.begin + t + i - e.first_read, hd.first_reader + k);
      }
    }
    capture(t + count);
  });
  if (!c.final) return;
  if (!in_place) return keep(c.final, hd.index);
  turn_state(w.o, +1, w.to, w.ld_to, d);
  store_rest<M>(c.final, hd.index, hd.state, e.n, 1, turned_sum(), m);
}

}  // namespace coefdyn::cpu
