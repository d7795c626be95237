// SPDX-License-Identifier: MIT
#pragma once
#include "../skeletons/tile_backward.hpp"
#include "../stages/bonus.hpp"
#include "../stages/gradient_frames.hpp"
#include "parallel.hpp"

/// Backward of the parallel form: tiles of queries from the last to the first, scores recomputed tile by tile with the row's
/// maximum and sum, never T x T numbers. A tile's summary is complete once every later tile's queries have passed through it.
/// Workspace: O(T (n + d)); with a gradient of the final state also one state per tile.
namespace coefdyn::cpu {

template <class M, class R, class X>
struct parallel_backward_head {
  using traits_ = traits<M>;
  using E = state_element<M, R>;
  parallel_head<M, R, X> f;
  operands<M, R> d;
  gradient_frames<M, R, X> grads;
  tile_backward<M, R> back;
  R *summary_grads = nullptr, *dV = nullptr, *passing = nullptr,
    *running = nullptr;  // per tile: gradients, (rows, e), (rows, n), m at its start
  R *Q0 = nullptr, *dQ = nullptr, *dQ_own = nullptr, *dY = nullptr, *dP = nullptr, *flux = nullptr;
  R *states = nullptr, *dS = nullptr, *dS0 = nullptr, *u = nullptr,
    *du = nullptr;  // (tiles + 1, n, e), (n, e), (n, e), (rows, e), (rows, e)
  idx per_tile = 0;

  parallel_backward_head() = default;
  parallel_backward_head(arena& a, const extents& size, idx tokens, int length, const form::weight_dropout& drop = {})
      : f(a, size, tokens, length, drop, true),
        d(a, length, size.n, padded_width<M>(size.d), true),
        grads(a, size, tokens, length),
        back(a, f.t, length * traits_::micro, f.n) {
    const idx rows = idx(length) * traits_::micro, n = f.n, e = f.e;
    per_tile = tile_summary_gradient<M, R>::numbers(int(rows), f.n);
    summary_grads = a.take<R>(f.tiles * per_tile), dV = a.take<R>(f.tiles * rows * e), passing = a.take<R>(f.tiles * rows * n),
    running = a.take<R>(f.tiles + 1);
    Q0 = a.take<R>(rows * n), dQ = a.take<R>(rows * n), dQ_own = a.take<R>(rows * n), dY = a.take<R>(rows * e), dP = a.take<R>(rows * rows),
    flux = a.take<R>(n);
    if (traits_::linear)
      states = a.take<R>((f.tiles + 1) * n * e), dS = a.take<R>(n * e), dS0 = a.take<R>(n * e), u = a.take<R>(rows * e),
      du = a.take<R>(rows * e);
  }
  parallel_backward_head(const parallel_backward_head&) = delete;
  tile_summary_gradient<M, R> gradient(idx j, int rows) const { return {summary_grads + j * per_tile, rows, f.n}; }
  R* value_gradients(idx j) const { return dV + j * idx(f.length) * traits_::micro * f.e; }
  R* queries_at(idx j) const { return passing + j * idx(f.length) * traits_::micro * f.n; }
};

/// dP (rows, columns): gradients of weights, each of which is one term of the sum, dropped or not.
template <class M, class R, class X>
void gradients_of_weights(parallel_head<M, R, X>& f, int rows, int columns, idx k, const R* V, const R* dY, bool own, R* dP) {
  constexpr bool sums = traits<M>::needs_sum;
  const bool drops = f.draws.given();
  for (int i = 0; i < rows; ++i) {
    const R from_sum = sums && !drops ? dY[idx(i) * f.e + f.d] : R(0);
    by_channel(columns, dP + idx(i) * columns, [&](int) { return from_sum; });
  }
  f.t.machine.nt(rows, columns, f.d, dY, f.e, V, f.e, dP, columns);
  if (!drops) return;
  f.drop_weights(rows, columns, k, own, dP);
  for (int i = 0; sums && i < rows; ++i) {
    R* const row = dP + idx(i) * columns;
    by_channel(columns, row, [&, from_sum = dY[idx(i) * f.e + f.d]](int c) { return row[c] + from_sum; });
  }
}
/// Scores Z (rows, columns) of tile k become weights as y has them; dP their gradients' scores. m: the rows' final maximum.
template <class M, class R, class X>
void weight_gradients(parallel_head<M, R, X>& f, int rows, int columns, idx k, const R* V, const R* dY, bool own, R* dP) {
  using traits_ = traits<M>;
  gradients_of_weights(f, rows, columns, k, V, dY, own, dP);
  const idx count = idx(rows) * columns;
  if constexpr (takes_maximum<M>) {  // phi = phi' = e^(z - m), m already the largest
    f.hide(rows, columns, own, math::minus_infinity<R>());
    f.exponentials(rows, columns, own);
    f.t.machine.multiply(rows, columns, f.Z, columns, dP, columns, dP, columns);
  } else {
    slope_readout<typename M::readout>(f.t.machine, count, f.Z, dP);
    f.hide(rows, columns, own, R(0));
  }
  if (own || traits_::micro > 1)
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j)
        if (!f.weighs(i, j, own)) dP[idx(i) * columns + j] = R(0);
  f.drop_weights(rows, columns, k, own, f.Z);
}

/// dS at a tile's end becomes dS at its start; S: the state at its start.
template <class M, class R, class X>
void state_through_tile_backward(parallel_head<M, R, X>& f, const tile_summary<M, R>& s, int rows, const R* V, const R* S,
                                 const parallel_backward_head<M, R, X>& w, tile_summary_gradient<M, R>& ds, R* dV) {
  using O = operands<M, R>;
  const auto& machine = f.t.machine;
  const int n = f.n, e = f.e;
  R* dS = w.dS;
  if constexpr (O::turns) {
    const R* end = S + idx(n) * e;
    for (int p = 0; p < n / 2; ++p) {
      const channel_pair i = pair_of(O::pairs, p, n);
      for (int v = 0; v < e; ++v) {
        R &a = dS[idx(i.x) * e + v], &b = dS[idx(i.y) * e + v];
        ds.angle[p] += b * end[idx(i.x) * e + v] - a * end[idx(i.y) * e + v];
        turn_pair(s.co[p], -s.si[p], a, b);
      }
    }
  }
  machine.nt(rows, n, e, V, e, dS, e, ds.moved, n);
  machine.nn(rows, e, n, s.moved, n, dS, e, dV, e);
  if constexpr (O::corrects) {
    clear(w.u, idx(rows) * e), clear(w.du, idx(rows) * e);
    machine.nn(rows, e, n, s.U, n, S, e, w.u, e);
    machine.nt(rows, n, e, w.u, e, dS, e, ds.ends, n);
    machine.nn(rows, e, n, s.ends, n, dS, e, w.du, e);
    machine.nt(rows, n, e, w.du, e, S, e, ds.U, n);
  }
  if constexpr (O::has_decays)
    for (int c = 0; c < n; ++c)
      for (int v = 0; v < e; ++v) {
        R& g = dS[idx(c) * e + v];
        ds.all[O::channel ? c : 0] += S[idx(c) * e + v] * g;
        g = s.all[O::channel ? c : 0] * g;
      }
  if constexpr (O::corrects) machine.tn(n, e, rows, s.U, n, w.du, e, dS, e);
}

/// The first pass: operands' summaries of every tile, m at its start, and for a linear readout the states between them; returns the last m.
template <class M, class R, class X, class Call>
R summarise_tiles(const X& x, const extents& size, const head_place& head, const Call& call, idx start, R m,
                  parallel_backward_head<M, R, X>& w) {
  auto& f = w.f;
  const idx tokens = head.tokens(), numbers = idx(f.n) * f.e;
  if constexpr (traits<M>::linear) load_state<M>(call.c, head, size, f.e, w.states);
  for (idx j = 0; j < f.tiles_of(tokens); ++j) {
    w.running[j] = m;
    f.load(x, size, head, j, f.count_of(j, tokens), start, m);
    if constexpr (traits<M>::linear) {
      R* S = w.states + (j + 1) * numbers;
      copy(S - numbers, numbers, S);
      through_tile(f, f.summary(j, f.o.rows), f.o.rows, f.value_rows(j), S);
    }
  }
  return m;
}
/// The bonus's score leaves the tile's own: gradients of p, in its place, and of b.
template <class M, class R, class X>
void bonus_scores_backward(parallel_backward_head<M, R, X>& w, int count, int rows) {
  constexpr int micro = traits<M>::micro;
  for (int i = 0; i < count; ++i) {
    const int row = read_row<M>(i), own = i * micro + micro - 1;
    R& g = w.dP[idx(row) * rows + own];
    w.d.b[own] += w.f.p[i] * g;
    w.f.p[i] = w.f.o.b[own] * g;
    g = R(0);
  }
}
/// dY of reader r of tile j, whose queries have been summed over all tiles.
template <class M, class R, class X, class Call>
void finish_rows_backward(const head_place& head, int r, const Call& call, idx start, idx at, int count,
                          parallel_backward_head<M, R, X>& w) {
  auto& f = w.f;
  clear(w.dY, idx(f.o.rows) * f.e);
  for (int i = 0; i < count; ++i) {
    const idx place = idx(read_row<M>(i)) * f.e;
    finish_row_backward<M>(f.reads, i, start + at + i, f.Y + place, f.maximum(i), call.dy, head.row(at + i, r), w.dY + place,
                           w.grads.readers[r], w.grads.row(at + i));
  }
}
/// The queries of tile j back through the tiles before it, which they have passed on their way to the start: dQ from there.
template <class M, class R, class X>
void earlier_tiles_backward(idx j, int rows, parallel_backward_head<M, R, X>& w) {
  auto& f = w.f;
  const int full = f.length * traits<M>::micro;
  for (idx k = 0; k < j; ++k) {
    const auto s = f.summary(k, full);
    auto dk = w.gradient(k, full);
    const R* Q = w.queries_at(k);
    f.score(rows, k, Q);
    weight_gradients(f, rows, full, k, f.value_rows(k), w.dY, false, w.dP);
    f.t.machine.tn(full, f.d, rows, f.Z, full, w.dY, f.e, w.value_gradients(k), f.e);
    w.back.through(s, rows, Q, w.dP, w.dQ, dk);
    w.back.leave(s, rows, Q, w.dQ, dk);
  }
}
/// The queries of tile j and its own scores.
template <class M, class R, class X>
void own_tile_backward(idx j, int count, int rows, parallel_backward_head<M, R, X>& w, tile_summary_gradient<M, R>& ds) {
  using O = operands<M, R>;
  auto& f = w.f;
  copy(w.Q0, idx(rows) * f.n, f.Q);
  f.t.own(f.o, f.summary(j, rows), f.Q, f.Z);
  if constexpr (O::before) f.put_bonus(rows, rows);
  weight_gradients(f, rows, rows, j, f.o.V, w.dY, true, w.dP);
  R* dV_own = w.value_gradients(j);
  if constexpr (parallel_head<M, R, X>::bonus_is_above) f.t.machine.tn(rows, f.d, rows, f.Z, rows, w.dY, f.e, dV_own, f.e);
  else f.t.machine.tn_lower_left(rows, f.d, f.Z, rows, w.dY, f.e, dV_own, f.e);
  if constexpr (O::before) bonus_scores_backward(w, count, rows);
  w.back.own(f.o, f.summary(j, rows), w.Q0, w.dP, w.dQ, w.dQ_own, w.d, ds);
}
/// Reader r of tile j, tokens [at, at + count).
template <class M, class R, class X, class Call>
void parallel_reads_backward(const X& x, const extents& size, const head_place& head, int r, const Call& call, idx start, idx j, int count,
                             bool from_state, parallel_backward_head<M, R, X>& w, tile_summary_gradient<M, R>& ds) {
  auto& f = w.f;
  const auto& machine = f.t.machine;
  const int rows = f.o.rows, n = f.n, e = f.e;
  const idx at = j * f.length;
  gather<M>(machine.where(), x, size, head.s, head.at(r), at, count, true, f.reads, f.scratch);
  copy(lower_reads<M>(f.reads, f.o, 0, f.Q, f.p), idx(rows) * n, w.Q0);
  copy(w.Q0, idx(rows) * n, f.Q);
  f.draws.begin(size, head, r, at);
  sum_over_tiles(f, j, rows, f.Q, true, [&](idx k) {  // keeps the queries as they come to each earlier tile
    f.summary(k, f.length * traits<M>::micro).enter(rows, f.Q);
    copy(f.Q, idx(rows) * n, w.queries_at(k));
  });
  if constexpr (traits<M>::linear)
    if (from_state) machine.nn(rows, e, n, f.Q, n, w.states, e, f.Y, e);
  finish_rows_backward<M, R>(head, r, call, start, at, count, w);
  clear(w.dQ, idx(rows) * n);
  if constexpr (traits<M>::linear)
    if (from_state) {  // f.Q holds the queries at the sequence's start
      machine.nt(rows, n, e, w.dY, e, w.states, e, w.dQ, n);
      machine.tn(n, e, rows, f.Q, n, w.dY, e, w.dS0, e);
    }
  earlier_tiles_backward(j, rows, w);
  own_tile_backward(j, count, rows, w, ds);
  for (int i = 0; i < count; ++i) {
    R* dq = w.dQ_own + idx(read_row<M>(i)) * n;
    if constexpr (operands<M, R>::before) bonus_backward_of<M, R>(f, i, f.p[i], dq, w.d);
    raise_query<M>(w.grads.row(at + i), dq, w.grads.readers[r]);
  }
}
/// Tile j: its readers, its state, and what all later queries have left in its summary's gradient.
template <class M, class R, class X, class Call>
void tile_of_head_backward(const X& x, const extents& size, const head_place& head, const Call& call, idx start, idx j, bool from_state,
                           parallel_backward_head<M, R, X>& w) {
  auto& f = w.f;
  const int count = f.count_of(j, head.tokens()), rows = count * traits<M>::micro;
  const idx at = j * f.length;
  R m = w.running[j];
  f.load(x, size, head, j, count, start, m);
  w.d.tokens = count, w.d.rows = rows;
  w.d.clear();
  w.grads.open(at);
  w.back.begin(f.o);
  auto ds = w.gradient(j, rows);
  for (int r = 0; r < head.readers; ++r) parallel_reads_backward<M, R>(x, size, head, r, call, start, j, count, from_state, w, ds);
  R* dV_own = w.value_gradients(j);
  if constexpr (traits<M>::linear)
    if (call.s.final)
      state_through_tile_backward(f, f.summary(j, rows), rows, f.value_rows(j), w.states + j * idx(f.n) * f.e, w, ds, dV_own);
  w.back.finish(f.o, f.summary(j, rows), ds, w.flux, w.d);
  for (idx i = 0; i < idx(rows) * f.e; ++i) w.d.V[i] += dV_own[i];
  w.d.clear_idle(f.o);
  raise_tokens<M>(f.t.machine.where(), f.in, start + at, f.o, w.d, w.grads.state, w.grads.row(at));
  if (w.grads.by_part) w.grads.leave(x, call.g, size, head, at, count, {.write_only = call.write_only}, f.scratch);
}

template <class M, class R, class X, class Call>
void parallel_backward(const X& x, const extents& size, const head_place& head, const Call& call, parallel_backward_head<M, R, X>& w) {
  constexpr bool linear = traits<M>::linear;
  auto& f = w.f;
  const idx start = initial_position(call.c, head.index), numbers = idx(f.n) * f.e, tiles = f.tiles_of(head.tokens());
  const R m0 = starting_scale<M, R>(call.c, call.s, head.index, head.state);
  const bool from_state = linear && (call.c.initial || call.s.initial);
  f.from_nothing = !from_state;
  [[maybe_unused]] const R last_m = summarise_tiles(x, size, head, call, start, m0, w);
  if constexpr (linear) {
    load_final_gradient(call.s, head.index, head.state, size.n, size.d, f.e, last_m, w.dS);
    clear(w.dS0, numbers);
  }
  clear(w.summary_grads, tiles * w.per_tile);
  clear(w.dV, tiles * idx(f.length) * traits<M>::micro * f.e);
  for (idx j = tiles - 1; j >= 0; --j) tile_of_head_backward<M, R>(x, size, head, call, start, j, from_state, w);
  if constexpr (linear) {
    for (idx i = 0; i < numbers; ++i) w.dS0[i] += w.dS[i];
    store_initial_gradient(call.s, head.index, head.state, size.n, size.d, f.e, m0, w.dS0);
  }
}

}  // namespace coefdyn::cpu
