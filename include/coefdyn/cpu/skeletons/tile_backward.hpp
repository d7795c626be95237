// SPDX-License-Identifier: MIT
#pragma once
#include "tile.hpp"

/// The adjoint of a tile of the parallel form: of its own scores, of the transport through it, and of its summary.
namespace coefdyn::cpu::skeletons {

/// Gradients of a tile_summary, and of the queries' turning through the tile.
template <skeleton Kind, class R>
struct tile_summary_gradient : tile_summary<Kind, R> {
  R* angle = nullptr;  // (n / 2): of the whole tile's angle
  static idx numbers(int rows_, int n_) { return tile_summary<Kind, R>::numbers(rows_, n_) + n_; }
  tile_summary_gradient(R* base, int rows_, int n_)
      : tile_summary<Kind, R>(base, rows_, n_), angle(base + tile_summary<Kind, R>::numbers(rows_, n_)) {}
};

template <skeleton Kind, class R>
struct tile_backward {
  using O = operands<Kind, R>;
  using tile_type = tile<Kind, R>;
  tile_type& t;
  R *dw = nullptr, *dL = nullptr, *dA = nullptr, *Ark = nullptr;  // (rows, rows)
  R *dbK = nullptr, *dR = nullptr, *weighted = nullptr;           // (rows, n)
  R *dots = nullptr, *more = nullptr;                             // (rows, rows) each

  tile_backward(arena& a, tile_type& tile_, int rows, int n) : t(tile_) {
    const idx square = idx(rows) * rows, tall = idx(rows) * n;
    dbK = a.take<R>(tall), weighted = a.take<R>(tall), dots = a.take<R>(square), more = a.take<R>(square), dA = a.take<R>(square);
    if (O::corrects) dw = a.take<R>(square), dL = a.take<R>(square), Ark = a.take<R>(square), dR = a.take<R>(tall);
  }
  void begin(const O& o) {
    clear(dbK, idx(o.rows) * t.n);
    if constexpr (O::corrects) clear(dw, idx(o.rows) * o.rows);
  }

  /// Own tile of one reader: Q the queries as lowered; dZ (rows, rows) of its scores, dQ_start (rows, n) of the queries at the
  /// tile's start. dQ is overwritten; sums go to dbK, dw, d and the summary's gradient.
  [[gnu::noinline]] void own(const O& o, const tile_summary<Kind, R>& s, const R* Q, R* dZ, const R* dQ_start, R* dQ, O& d,
                             tile_summary_gradient<Kind, R>& ds) {
    const int rows = o.rows, n = t.n;
    constexpr up_to how = tile_type::read_up_to;
    t.decays.from_start(how, dQ_start, dQ);
    if constexpr (O::corrects) {
      t.decays.gram(how, Q, o.columns(), t.Aqc);
      clear(dA, idx(rows) * rows);
      t.machine.nt(rows, rows, n, dQ_start, n, s.U, n, dA, rows);
      t.machine.nt(rows, rows, rows, dZ, rows, t.w, rows, dA, rows);
      clear_above(rows, how == up_to::row_before, dA);
      t.machine.tn_lower_left(rows, n, t.Aqc, rows, dQ_start, n, ds.U, n);
      t.machine.tn_lower_left(rows, rows, t.Aqc, rows, dZ, rows, dw, rows);
      t.decays.gram_backward(how, Q, o.columns(), dA, dQ, O::tied ? d.K : d.col);
    }
    t.decays.gram_backward(how, Q, t.bK, dZ, dQ, dbK);
    if constexpr (O::has_decays) decay_dots(o, how, Q, dQ, R(1), d);
    if constexpr (O::turns)
      for (int i = 0; i < o.tokens; ++i) {
        const int r = O::read_row(i), seen_row = O::before ? r - 1 : r;
        if (seen_row >= 0) o.turn_back(seen_row, Q + idx(r) * n, dQ + idx(r) * n, d.co + idx(seen_row) * (n / 2));
      }
  }
  /// Queries on their way through an earlier tile: Q (count, n) as they came to its end, in its frame; dQ: at its start in, at
  /// its end (not yet turned back) out; dZ (count, rows) of the scores there.
  [[gnu::noinline]] void through(const tile_summary<Kind, R>& s, int count, const R* Q, const R* dZ, R* dQ,
                                 tile_summary_gradient<Kind, R>& ds) {
    const int rows = s.rows, n = s.n;
    if constexpr (O::corrects) {
      clear(dots, idx(count) * rows), clear(more, idx(count) * rows);
      t.machine.nt(count, rows, n, Q, n, s.ends, n, dots, rows);
      t.machine.nt(count, rows, n, dQ, n, s.U, n, more, rows);
      t.machine.tn(rows, n, count, dots, rows, dQ, n, ds.U, n);
      t.machine.tn(rows, n, count, more, rows, Q, n, ds.ends, n);
    }
    if constexpr (O::has_decays)
      for (int i = 0; i < count; ++i)
        for (int c = 0; c < n; ++c) {
          R& g = dQ[idx(i) * n + c];
          ds.all[O::channel ? c : 0] += Q[idx(i) * n + c] * g;
          g = s.all[O::channel ? c : 0] * g;
        }
    if constexpr (O::corrects) t.machine.nn(count, n, rows, more, rows, s.ends, n, dQ, n);
    t.machine.nn(count, n, rows, dZ, rows, s.moved, n, dQ, n);
    t.machine.tn(rows, n, count, dZ, rows, Q, n, ds.moved, n);
  }
  /// Out of the tile's frame of turning: dQ at its end, and the angle's gradient.
  void leave(const tile_summary<Kind, R>& s, int count, const R* Q, R* dQ, tile_summary_gradient<Kind, R>& ds) const {
    if constexpr (O::turns)
      for (int i = 0; i < count; ++i) {
        R* g = dQ + idx(i) * s.n;
        const R* x = Q + idx(i) * s.n;
        for (int p = 0; p < s.n / 2; ++p) {
          const channel_pair a = pair_of(O::pairs, p, s.n);
          ds.angle[p] += g[a.x] * x[a.y] - g[a.y] * x[a.x];
        }
        O::turn(s.n, s.co, s.si, +1, g);
      }
  }
  /// The summary's and the keys' gradients to the tile's operands; t has been prepared for it.
  [[gnu::noinline]] void finish(const O& o, const tile_summary<Kind, R>& s, tile_summary_gradient<Kind, R>& ds, R* flux, O& d) {
    const int rows = o.rows, n = t.n;
    const int width = O::has_decays ? o.decay_width() : 0;
    for (int c = 0; c < width; ++c) flux[c] = ds.all[c] * s.all[c];
    if constexpr (O::corrects) {  // moved = F bK + w' ends
      clear(dA, idx(rows) * rows);
      t.machine.nt(rows, rows, n, s.ends, n, ds.moved, n, dA, rows);
      for (int r = 0; r < rows; ++r)
        for (int j = 0; j < r; ++j) dw[idx(r) * rows + j] += dA[idx(r) * rows + j];
      clear_above(rows, true, dw);
      t.machine.nn_lower_left(rows, n, t.w, rows, ds.moved, n, ds.ends, n);
    }
    end_weighted(o, t.bK, ds.moved, dbK, flux);
    if constexpr (O::corrects) {
      end_weighted(o, o.columns(), ds.ends, O::tied ? d.K : d.col, flux);
      corrections_backward(o, s, ds, d);
      if constexpr (O::has_decays) decay_dots(o, up_to::own_row, o.columns(), O::tied ? d.K : d.col, R(-1), d);
    }
    if constexpr (O::has_decays) {
      decay_dots(o, up_to::own_row, t.bK, dbK, R(-1), d);
      for (int r = rows - 1; r >= 0; --r)
        for (int c = 0; c < width; ++c) d.g[idx(r) * width + c] = flux[c] += d.g[idx(r) * width + c];
    }
    t.machine.row_dots(rows, n, dbK, n, o.K, n, d.b);
    for (int r = 0; r < rows; ++r)
      for (int c = 0; c < n; ++c) d.K[idx(r) * n + c] += o.b[r] * dbK[idx(r) * n + c];
    if constexpr (O::turns)
      for (int p = 0; p < n / 2; ++p) d.co[idx(rows - 1) * (n / 2) + p] += ds.angle[p];
    turn_rows_back(o, d);
  }

 private:
  // U and w by what they solve: gradients of the rows, the columns, the strengths and bK
  void corrections_backward(const O& o, const tile_summary<Kind, R>& s, tile_summary_gradient<Kind, R>& ds, O& d) {
    const int rows = o.rows, n = t.n;
    // U = (I - L)^-1 s (E row),  w = (I - L)^-1 s (row bK')
    t.machine.solve_lower_transposed(rows, n, t.L, rows, ds.U, n);
    t.machine.solve_lower_transposed(rows, rows, t.L, rows, dw, rows);
    clear(dL, idx(rows) * rows);
    t.machine.nt(rows, rows, n, ds.U, n, s.U, n, dL, rows);
    t.machine.nt(rows, rows, rows, dw, rows, t.w, rows, dL, rows);
    clear_above(rows, true, dL), clear_above(rows, true, dw);
    t.decays.gram(tile_type::row_up_to, o.row, o.columns(), Ark);
    clear_above(rows, true, Ark);
    t.machine.row_dots(rows, rows, dL, rows, Ark, rows, d.s);
    t.machine.scale_rows(rows, rows, o.s, dL, rows, dL, rows);
    t.decays.gram(tile_type::row_up_to, o.row, t.bK, Ark);
    clear_above(rows, true, Ark);
    t.machine.row_dots(rows, rows, dw, rows, Ark, rows, d.s);
    t.machine.scale_rows(rows, rows, o.s, dw, rows, dw, rows);
    t.decays.from_start(tile_type::row_up_to, o.row, weighted);
    t.machine.row_dots(rows, n, ds.U, n, weighted, n, d.s);
    t.machine.scale_rows(rows, n, o.s, ds.U, n, ds.U, n);
    t.decays.from_start(tile_type::row_up_to, ds.U, dR);
    t.decays.gram_backward(tile_type::row_up_to, o.row, o.columns(), dL, dR, O::tied ? d.K : d.col);
    t.decays.gram_backward(tile_type::row_up_to, o.row, t.bK, dw, dR, dbK);
    if constexpr (O::has_decays) decay_dots(o, tile_type::row_up_to, o.row, dR, R(1), d);
    t.machine.add(rows, n, dR, n, d.row, n);
  }
  // y = F x: dx += F dy, and what F's exponent adds to the flux
  void end_weighted(const O& o, const R* x, const R* dy, R* dx, R* flux) {
    const int rows = o.rows, n = t.n;
    t.decays.to_end(dy, weighted);
    t.machine.add(rows, n, weighted, n, dx, n);
    if constexpr (O::has_decays)
      for (int r = 0; r < rows; ++r)
        for (int c = 0; c < n; ++c) flux[O::channel ? c : 0] += x[idx(r) * n + c] * weighted[idx(r) * n + c];
  }
  void decay_dots(const O& o, up_to how, const R* x, const R* dx, R sign, O& d) const {
    const int w = o.decay_width(), skip = how == up_to::row_before ? 1 : 0;
    for (int r = skip; r < o.rows; ++r)
      for (int c = 0; c < t.n; ++c) d.g[idx(r - skip) * w + (w == 1 ? 0 : c)] += sign * x[idx(r) * t.n + c] * dx[idx(r) * t.n + c];
  }
};

}  // namespace coefdyn::cpu::skeletons
