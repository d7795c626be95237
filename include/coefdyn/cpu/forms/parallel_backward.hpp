// SPDX-License-Identifier: MIT
#pragma once
#include "../stages/bonus.hpp"
#include "../stages/gradient_frames.hpp"
#include "../stages/tile_backward.hpp"
#include "parallel.hpp"

/// Backward of the parallel form: tiles of queries from the last to the first, scores recomputed tile by tile with the row's
/// maximum and sum, never T x T numbers. A tile's summary is complete once every later tile's queries have passed through it.
/// Workspace: O(T (n + d)); with a gradient of the final state also one state per tile.
namespace coefdyn::cpu {

template <class M, class R, class X>
struct parallel_backward_head {
  using T = traits<M>;
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
  parallel_backward_head(arena& a, const extents& x, idx tokens, int length)
      : f(a, x, tokens, length, true),
        d(a, length, x.n, padded_width<M>(x.d), true),
        grads(a, x, tokens, length),
        back(a, f.t, length * T::micro, f.n) {
    const idx rows = idx(length) * T::micro, n = f.n, e = f.e;
    per_tile = tile_summary_gradient<M, R>::numbers(int(rows), f.n);
    summary_grads = a.take<R>(f.tiles * per_tile), dV = a.take<R>(f.tiles * rows * e), passing = a.take<R>(f.tiles * rows * n),
    running = a.take<R>(f.tiles + 1);
    Q0 = a.take<R>(rows * n), dQ = a.take<R>(rows * n), dQ_own = a.take<R>(rows * n), dY = a.take<R>(rows * e), dP = a.take<R>(rows * rows),
    flux = a.take<R>(n);
    if (T::linear)
      states = a.take<R>((f.tiles + 1) * n * e), dS = a.take<R>(n * e), dS0 = a.take<R>(n * e), u = a.take<R>(rows * e),
      du = a.take<R>(rows * e);
  }
  parallel_backward_head(const parallel_backward_head&) = delete;
  tile_summary_gradient<M, R> gradient(idx j, int rows) const { return {summary_grads + j * per_tile, rows, f.n}; }
  R* value_gradients(idx j) const { return dV + j * idx(f.length) * T::micro * f.e; }
  R* queries_at(idx j) const { return passing + j * idx(f.length) * T::micro * f.n; }
};

/// Scores Z (rows, columns) become weights; dP their gradients' scores. m: the rows' final maximum.
template <class M, class R, class X>
void weight_gradients(parallel_head<M, R, X>& f, int rows, int columns, const R* V, const R* dY, bool own, R* dP) {
  using T = traits<M>;
  for (int i = 0; i < rows; ++i) {  // every weight is one term of the sum
    const R from_sum = T::needs_sum ? dY[idx(i) * f.e + f.d] : R(0);
    by_channel(columns, dP + idx(i) * columns, [&](int) { return from_sum; });
  }
  f.t.px.nt(rows, columns, f.d, dY, f.e, V, f.e, dP, columns);
  const idx count = idx(rows) * columns;
  if constexpr (takes_maximum<M>) {  // phi = phi' = e^(z - m), m already the largest
    f.hide(rows, columns, own, math::minus_infinity<R>());
    f.t.px.exp_rows(rows, columns, f.Z, columns, f.m, f.factor, f.sums);
    f.t.px.multiply(rows, columns, f.Z, columns, dP, columns, dP, columns);
  } else {
    slope_readout<typename M::readout>(f.t.px, count, f.Z, dP);
    f.hide(rows, columns, own, R(0));
  }
  if (own || T::micro > 1)
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j)
        if (!f.weighs(i, j, own)) dP[idx(i) * columns + j] = R(0);
}

template <class M, class R, class X, class Call>
void parallel_backward(const X& x, const extents& ex, const head& hd, const Call& call, parallel_backward_head<M, R, X>& w) {
  using T = traits<M>;
  using O = operands<M, R>;
  auto& f = w.f;
  const auto& px = f.t.px;
  const idx tokens = hd.tokens(), start = initial_position(call.c, hd.index), size = idx(f.n) * f.e;
  const int n = f.n, e = f.e, full = f.length * T::micro;
  const idx tiles = (tokens + f.length - 1) / f.length;
  const auto count_of = [&](idx j) { return int(tokens - j * f.length < f.length ? tokens - j * f.length : f.length); };
  const R m0 = starting_scale<M, R>(call.c, call.s, hd.index, hd.state);
  const bool from_state = T::linear && (call.c.initial || call.s.initial);
  f.from_nothing = !from_state;
  R running = m0;
  if constexpr (T::linear) load_state<M>(call.c, hd.index, hd.state, ex.n, ex.d, f.e, w.states);
  for (idx j = 0; j < tiles; ++j) {
    w.running[j] = running;
    f.load(x, ex, hd, j, count_of(j), start, running);
    if constexpr (T::linear) {
      R* S = w.states + (j + 1) * size;
      for (idx i = 0; i < size; ++i) S[i] = S[i - size];
      through_tile(f, f.summary(j, f.o.rows), f.o.rows, f.value_rows(j), S);
    }
  }
  if constexpr (T::linear) {
    load_final_gradient(call.s, hd.index, hd.state, ex.n, ex.d, f.e, running, w.dS);
    clear(w.dS0, size);
  }
  clear(w.summary_grads, tiles * w.per_tile);
  clear(w.dV, tiles * idx(full) * e);

  for (idx j = tiles - 1; j >= 0; --j) {
    const int count = count_of(j), rows = count * T::micro;
    const idx at = j * f.length;
    R m = w.running[j];
    f.load(x, ex, hd, j, count, start, m);
    w.d.tokens = count, w.d.rows = rows;
    w.d.clear();
    w.grads.open(at);
    w.back.begin(f.o);
    auto ds = w.gradient(j, rows);
    for (int r = 0; r < hd.readers; ++r) {
      gather<M>(f.t.px.where(), x, ex, hd.s, hd.at(r), at, count, true, f.reads, f.scratch);
      copy(idx(rows) * n, lower_reads<M>(f.reads, f.o, 0, f.Q, f.p), w.Q0);
      copy(idx(rows) * n, w.Q0, f.Q);
      parallel_row_sums(f, j, rows, w, from_state);
      clear(w.dY, idx(rows) * e);
      for (int i = 0; i < count; ++i) {
        const int row = read_row<M>(i);
        const R* out = f.Y + idx(row) * e;
        const R sum = T::needs_sum ? out[ex.d] : R(0), top = T::stabilised ? f.o.m[i] : takes_maximum<M> ? f.m[row] : R(0);
        const R df = finish_row_backward<M>(f.reads, i, start + at + i, out, sum, top, call.dy, hd.s.batch, hd.s.begin + at + i,
                                            hd.first_reader + r, w.dY + idx(row) * e);
        raise_eta<M>(f.reads, i, start + at + i, sum, top, df, w.grads.readers[r], w.grads.row(at + i));
      }
      clear(w.dQ, idx(rows) * n);
      if constexpr (T::linear)
        if (from_state) {  // f.Q holds the queries at the sequence's start
          px.nt(rows, n, e, w.dY, e, w.states, e, w.dQ, n);
          px.tn(n, e, rows, f.Q, n, w.dY, e, w.dS0, e);
        }
      for (idx k = 0; k < j; ++k) {
        const auto s = f.summary(k, full);
        auto dk = w.gradient(k, full);
        const R* Q = w.queries_at(k);
        f.score(rows, k, Q);
        weight_gradients(f, rows, full, f.value_rows(k), w.dY, false, w.dP);
        px.tn(full, f.d, rows, f.Z, full, w.dY, e, w.value_gradients(k), e);
        w.back.through(s, rows, Q, w.dP, w.dQ, dk);
        w.back.leave(s, rows, Q, w.dQ, dk);
      }
      copy(idx(rows) * n, w.Q0, f.Q);
      f.t.own(f.o, f.summary(j, rows), f.Q, f.Z);
      if constexpr (O::before) f.put_bonus(rows, rows);
      weight_gradients(f, rows, rows, f.o.V, w.dY, true, w.dP);
      if constexpr (parallel_head<M, R, X>::bonus_is_above) px.tn(rows, f.d, rows, f.Z, rows, w.dY, e, w.value_gradients(j), e);
      else px.tn_lower_left(rows, f.d, f.Z, rows, w.dY, e, w.value_gradients(j), e);
      if constexpr (O::before)
        for (int i = 0; i < count; ++i) {  // the bonus's score leaves the tile's own
          const int row = read_row<M>(i), own = i * T::micro + T::micro - 1;
          R& g = w.dP[idx(row) * rows + own];
          w.d.b[own] += f.p[i] * g;
          f.p[i] = f.o.b[own] * g;
          g = R(0);
        }
      w.back.own(f.o, f.summary(j, rows), w.Q0, w.dP, w.dQ, w.dQ_own, w.d, ds);
      for (int i = 0; i < count; ++i) {
        R* dq = w.dQ_own + idx(read_row<M>(i)) * n;
        if constexpr (O::before) bonus_backward_of<M, R>(f, i, f.p[i], dq, w.d);
        raise_query<M>(w.grads.row(at + i), dq, w.grads.readers[r]);
      }
    }
    if constexpr (T::linear)
      if (call.s.final)
        state_through_tile_backward(f, f.summary(j, rows), rows, f.value_rows(j), w.states + j * size, w, ds, w.value_gradients(j));
    w.back.finish(f.o, f.summary(j, rows), ds, w.flux, w.d);
    for (idx i = 0; i < idx(rows) * e; ++i) w.d.V[i] += w.value_gradients(j)[i];
    w.d.clear_idle(f.o);
    raise_tokens<M>(f.t.px.where(), f.in, start + at, f.o, w.d, w.grads.state, w.grads.row(at));
    if (w.grads.by_part) w.grads.leave(x, call.g, ex, hd, at, count, {true, false, true, call.first}, f.scratch);
  }
  if constexpr (T::linear) {
    for (idx i = 0; i < size; ++i) w.dS0[i] += w.dS[i];
    store_initial_gradient(call.s, hd.index, hd.state, ex.n, ex.d, f.e, m0, w.dS0);
  }
}

/// The forward pass of tile j's queries, as parallel_forward makes it; keeps the queries as they came to each earlier tile.
template <class M, class R, class X>
void parallel_row_sums(parallel_head<M, R, X>& f, idx j, int rows, const parallel_backward_head<M, R, X>& w, bool from_state) {
  using T = traits<M>;
  const int full = f.length * T::micro;
  clear(f.Y, idx(rows) * f.e);
  for (int i = 0; i < rows; ++i) f.m[i] = starting_maximum<M, R>();
  f.t.own(f.o, f.summary(j, rows), f.Q, f.Z);
  f.weigh(rows, rows, f.o.V, true);
  for (idx k = j - 1; k >= 0; --k) {
    const auto s = f.summary(k, full);
    s.enter(rows, f.Q);
    copy(idx(rows) * f.n, f.Q, w.queries_at(k));
    f.score(rows, k, f.Q);
    f.weigh(rows, full, f.value_rows(k), false);
    s.transport(f.t.px, rows, f.Q, f.Z);
  }
  if constexpr (T::linear)
    if (from_state) f.t.px.nn(rows, f.e, f.n, f.Q, f.n, w.states, f.e, f.Y, f.e);
}
/// dS at a tile's end becomes dS at its start; S: the state at its start.
template <class M, class R, class X>
void state_through_tile_backward(parallel_head<M, R, X>& f, const tile_summary<M, R>& s, int rows, const R* V, const R* S,
                                 const parallel_backward_head<M, R, X>& w, tile_summary_gradient<M, R>& ds, R* dV) {
  using O = operands<M, R>;
  const auto& px = f.t.px;
  const int n = f.n, e = f.e;
  R* dS = w.dS;
  if constexpr (O::turns) {
    const R* end = S + idx(n) * e;
    for (int p = 0; p < n / 2; ++p) {
      const channel_pair i = pair_of(O::pairs, p, n);
      for (int v = 0; v < e; ++v) {
        R &a = dS[idx(i.x) * e + v], &b = dS[idx(i.y) * e + v];
        ds.angle[p] += b * end[idx(i.x) * e + v] - a * end[idx(i.y) * e + v];
        const R a0 = a, b0 = b;
        a = a0 * s.co[p] + b0 * s.si[p];
        b = b0 * s.co[p] - a0 * s.si[p];
      }
    }
  }
  px.nt(rows, n, e, V, e, dS, e, ds.moved, n);
  px.nn(rows, e, n, s.moved, n, dS, e, dV, e);
  if constexpr (O::corrects) {
    for (idx i = 0; i < idx(rows) * e; ++i) w.u[i] = w.du[i] = R(0);
    px.nn(rows, e, n, s.U, n, S, e, w.u, e);
    px.nt(rows, n, e, w.u, e, dS, e, ds.ends, n);
    px.nn(rows, e, n, s.ends, n, dS, e, w.du, e);
    px.nt(rows, n, e, w.du, e, S, e, ds.U, n);
  }
  if constexpr (O::has_gates)
    for (int c = 0; c < n; ++c)
      for (int v = 0; v < e; ++v) {
        R& g = dS[idx(c) * e + v];
        ds.all[O::channel ? c : 0] += S[idx(c) * e + v] * g;
        g = s.all[O::channel ? c : 0] * g;
      }
  if constexpr (O::corrects) px.tn(n, e, rows, s.U, n, w.du, e, dS, e);
}

}  // namespace coefdyn::cpu
