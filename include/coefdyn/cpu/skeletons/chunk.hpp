// SPDX-License-Identifier: MIT
#pragma once
#include "decays.hpp"

/// One chunk of the linear recurrence in matrix form: reads, corrections and writes of its rows against the state at its start.
/// With E, F the decays from the start and to the end (decays.hpp) and (.)_D a decayed Gram matrix:
///
///   u = s (E row S + (row K')_D W + (row col')_D u),   W = b V          (tied: col = K, W = b V + u)
///   y = E Q S + (Q K')_D W + (Q col')_D u + bonus
///   S <- e^Gamma S + (F K)' W + (F col)' u
///
/// The triangular system is solved by substitution, and its inverse is never differentiated. What is called once a chunk is not inlined, so
/// that one copy serves all mixers of the value.
namespace coefdyn::cpu::skeletons {

template <skeleton Kind, class R>
struct chunk {
  using O = operands<Kind, R>;
  static constexpr bool corrects = O::corrects, untied = O::corrects && !O::tied;
  static constexpr bool one_decay = O::has_decays && !O::channel;
  static constexpr up_to read_up_to = O::before ? up_to::row_before : up_to::own_row;
  static constexpr up_to row_up_to = O::row_sees_decayed ? up_to::own_row : up_to::row_before;

  products<R> machine;
  decays_of<Kind, R> decays;
  int rows = 0, n = 0, e = 0;
  R* W = nullptr;         // rows x e: b V, and if tied + u
  R* u = nullptr;         // rows x e: the corrections, if not tied
  R* X = nullptr;         // rows x e: right-hand side of their system
  R* Ark = nullptr;       // rows x rows: Gram matrix of row and K
  R* Arc = nullptr;       // rows x rows: of row and col
  R* Aqk = nullptr;       // rows x rows: of Q and K
  R* Aqc = nullptr;       // rows x rows: of Q and col
  R* L = nullptr;         // rows x rows: s Arc
  R* weighted = nullptr;  // rows x n: scratch
  // backward
  R *dW = nullptr, *du = nullptr;           // rows x e
  R* dM = nullptr;                          // rows x rows: of the Gram matrix at hand
  R* dR = nullptr;                          // rows x n: of row
  R* flux = nullptr;                        // n: what passes the whole chunk of each channel
  R* pairs = nullptr;                       // rows x rows: what one log decay's gradient adds up of scores,
  R *inflow = nullptr, *outflow = nullptr;  // rows: of reads of the start, of writes to the end

  chunk() = default;
  chunk(arena& a, int rows_, int n_, int e_, const products<R>& p, bool backward)
      : machine(p), decays(a, rows_, n_, machine), rows(rows_), n(n_), e(e_) {
    const idx square = idx(rows) * rows, tall = idx(rows) * e;
    W = a.take<R>(tall), Aqk = a.take<R>(square), weighted = a.take<R>(idx(rows) * n);
    if (corrects) X = a.take<R>(tall), Ark = a.take<R>(square), L = a.take<R>(square);
    if (untied) u = a.take<R>(tall), Arc = a.take<R>(square), Aqc = a.take<R>(square);
    if (backward) {
      dW = a.take<R>(tall), dM = a.take<R>(square), dR = a.take<R>(idx(rows) * n), flux = a.take<R>(n);
      if (untied) du = a.take<R>(tall);
      if (one_decay) pairs = a.take<R>(square), inflow = a.take<R>(rows), outflow = a.take<R>(rows);
    }
  }
  chunk(const chunk&) = delete;
  chunk& operator=(const chunk&) = delete;

  /// Decays and corrected writes of a chunk whose start has the state S (n, e); without `reads` as far as `advance` needs them.
  [[gnu::noinline]] void prepare(const O& o, const R* S, bool reads = true) {
    decays.machine = &machine;
    rows = o.rows;
    decays.prepare(o, reads || corrects);
    machine.scale_rows(rows, e, o.b, o.V, e, W, e);
    if constexpr (corrects) {
      clear(X, idx(rows) * e);
      machine.nn(rows, e, n, decays.decayed_from_start(row_up_to, o.row, weighted), n, S, e, X, e);
      strict_gram(o, o.K, Ark);
      if constexpr (untied) {
        strict_gram(o, o.col, Arc);
        machine.nn_lower_left(rows, e, Ark, rows, W, e, X, e);
        machine.scale_rows(rows, e, o.s, X, e, u, e);
        machine.scale_rows(rows, rows, o.s, Arc, rows, L, rows);
        machine.solve_lower(rows, e, L, rows, u, e);
      } else {
        machine.add_scaled_rows(rows, e, o.s, X, e, W, e);
        machine.scale_rows(rows, rows, o.s, Ark, rows, L, rows);
        machine.solve_lower(rows, e, L, rows, W, e);
      }
    }
  }
  /// Y (rows, e) of queries Q (rows, n); p: bonus scores.
  [[gnu::noinline]] void read(const O& o, const R* Q, const R* p, const R* S, R* Y) {
    clear(Y, idx(rows) * e);
    machine.nn(rows, e, n, decays.decayed_from_start(read_up_to, Q, weighted), n, S, e, Y, e);
    decays.gram(read_up_to, Q, o.K, Aqk);
    machine.nn_lower_left(rows, e, Aqk, rows, W, e, Y, e);
    if constexpr (untied) {
      decays.gram(read_up_to, Q, o.col, Aqc);
      machine.nn_lower_left(rows, e, Aqc, rows, u, e, Y, e);
    }
    if constexpr (O::before)
      for (int i = 0; i < o.tokens; ++i) {
        const int w = (i + 1) * O::micro - 1;  // the row that writes
        const R f = p[i] * o.b[w];
        machine.add_scaled_rows(1, e, &f, o.V + idx(w) * e, e, Y + idx(O::read_row(i)) * e, e);
      }
  }
  /// S at the chunk's start becomes S at its end (both in the state's own frame of turning).
  [[gnu::noinline]] void advance(const O& o, R* S) {
    decays.whole(e, S);
    machine.tn(n, e, rows, decays.decayed_to_end(o.K, weighted), n, W, e, S, e);
    if constexpr (untied) machine.tn(n, e, rows, decays.decayed_to_end(o.col, weighted), n, u, e, S, e);
    if (!o.onward) turn_state(o, +1, S, idx(e), e);
  }

  // ---- backward: begin, then read_backward for every reader, then finish ------------------------------------------------
  /// S_end: state at the end; dS (n, e): gradient there, turned into the chunk's frame here.
  [[gnu::noinline]] void begin_backward(const O& o, const R* S_end, R* dS, O& d) {
    if constexpr (one_decay) clear(pairs, idx(rows) * rows), clear(inflow, rows), clear(outflow, rows);
    if constexpr (O::turns) {  // d(angle of the whole chunk), from the state at its end
      R* dP = d.co + idx(rows - 1) * (n / 2);
      for (int p = 0; p < n / 2; ++p) {
        const channel_pair i = pair_of(O::pairs, p, n);
        for (int v = 0; v < e; ++v)
          dP[p] += dS[idx(i.y) * e + v] * S_end[idx(i.x) * e + v] - dS[idx(i.x) * e + v] * S_end[idx(i.y) * e + v];
      }
      turn_state(o, -1, dS, idx(e), e);
    }
    clear(dW, idx(rows) * e);
    machine.nn(rows, e, n, decays.decayed_to_end(o.K, weighted), n, dS, e, dW, e);
    if constexpr (untied) {
      clear(du, idx(rows) * e);
      machine.nn(rows, e, n, decays.decayed_to_end(o.col, weighted), n, dS, e, du, e);
    }
  }
  /// dQ (rows, n) overwritten, dp added; dS_start += what this reader's reads of the start's state add.
  [[gnu::noinline]] void read_backward(const O& o, const R* Q, const R* p, const R* S, const R* dY, R* dQ, R* dp, R* dS_start, O& d) {
    clear(dQ, idx(rows) * n);
    machine.nt(rows, n, e, dY, e, S, e, dQ, n);
    decays.from_start(read_up_to, dQ, dQ);
    add_inflow(read_up_to, Q, dQ, d);
    machine.tn(n, e, rows, decays.decayed_from_start(read_up_to, Q, weighted), n, dY, e, dS_start, e);
    decays.gram(read_up_to, Q, o.K, Aqk);
    machine.tn_lower_left(rows, e, Aqk, rows, dY, e, dW, e);
    pair_gradient(read_up_to, dY, W);
    add_pairs(read_up_to, Aqk);
    decays.gram_backward(read_up_to, Q, o.K, dM, dQ, d.K, O::channel ? d.g : nullptr);
    if constexpr (untied) {
      decays.gram(read_up_to, Q, o.col, Aqc);
      machine.tn_lower_left(rows, e, Aqc, rows, dY, e, du, e);
      pair_gradient(read_up_to, dY, u);
      add_pairs(read_up_to, Aqc);
      decays.gram_backward(read_up_to, Q, o.col, dM, dQ, d.col, O::channel ? d.g : nullptr);
    }
    if constexpr (O::before)
      for (int i = 0; i < o.tokens; ++i) {
        const int w = (i + 1) * O::micro - 1;
        const R *g = dY + idx(O::read_row(i)) * e, f = p[i] * o.b[w];
        R dot(0);
        machine.row_dots(1, e, g, e, o.V + idx(w) * e, e, &dot);
        machine.add_scaled_rows(1, e, &f, g, e, d.V + idx(w) * e, e);
        d.b[w] += p[i] * dot;
        dp[i] = o.b[w] * dot;
      }
    if constexpr (O::turns)
      for (int i = 0; i < o.tokens; ++i) {
        const int r = O::read_row(i), seen_row = O::before ? r - 1 : r;
        if (seen_row >= 0) o.turn_back(seen_row, Q + idx(r) * n, dQ + idx(r) * n, d.co + idx(seen_row) * (n / 2));
      }
  }
  /// The corrections, writes and decays; dS becomes the gradient at the chunk's start (dS_start: what the reads gave).
  [[gnu::noinline]] void finish_backward(const O& o, const R* S, R* dS, R* dS_start, O& d) {
    if constexpr (corrects) {
      R* t = untied ? du : dW;  // (I - L)^-T of it: the gradient of the system's right-hand side
      machine.solve_lower_transposed(rows, e, L, rows, t, e);
      // X := X + A_rk W + A_rc u, the right-hand side before the strengths s; if untied, A_rk W is in X already
      machine.nn_lower_left(rows, e, untied ? Arc : Ark, rows, untied ? u : W, e, X, e);
      machine.row_dots(rows, e, t, e, X, e, d.s);
      machine.scale_rows(rows, e, o.s, t, e, X, e);  // X = dX = s t from here on
      if constexpr (untied) machine.tn_lower_left(rows, e, Ark, rows, X, e, dW, e);
      clear(dR, idx(rows) * n);
      machine.nt(rows, n, e, X, e, S, e, dR, n);
      decays.from_start(row_up_to, dR, dR);
      add_inflow(row_up_to, o.row, dR, d);
      machine.tn(n, e, rows, decays.decayed_from_start(row_up_to, o.row, weighted), n, X, e, dS_start, e);
      pair_gradient(up_to::row_before, X, W);
      add_pairs(row_up_to, Ark);
      decays.gram_backward(row_up_to, o.row, o.K, dM, dR, d.K, O::channel ? d.g : nullptr);
      if constexpr (untied) {
        pair_gradient(up_to::row_before, X, u);
        add_pairs(row_up_to, Arc);
        decays.gram_backward(row_up_to, o.row, o.col, dM, dR, d.col, O::channel ? d.g : nullptr);
      }
      machine.add(rows, n, dR, n, d.row, n);
    }
    write_gradient(W, dS, o.K, d.K, d);
    if constexpr (untied) write_gradient(u, dS, o.col, d.col, d);
    // dK is complete: its dots with K reach the decays; V and b take what the writes got
    const R* dW0 = dW;
    machine.row_dots(rows, e, dW0, e, o.V, e, d.b);
    machine.add_scaled_rows(rows, e, o.b, dW0, e, d.V, e);
    decays.whole(e, dS);
    if constexpr (O::has_decays) clear(flux, n), machine.row_dots(n, e, S, e, dS, e, flux), sum_decays(d);
    machine.add(n, e, dS_start, e, dS, e);
    turn_rows_back(o, d);
  }

 private:
  // rows against columns of earlier rows only; the decay may include the row's own
  void strict_gram(const O& o, const R* B, R* G) {
    decays.gram(row_up_to, o.row, B, G);
    for (int i = 0; i < rows; ++i) G[idx(i) * rows + i] = R(0);
  }
  // dM_ij = <A_i, B_j> where the Gram matrix lives, 0 elsewhere
  void pair_gradient(up_to how, const R* A, const R* B) {
    clear(dM, idx(rows) * rows);
    machine.nt_lower(rows, e, A, e, B, e, dM, rows);
    clear_above(rows, how == up_to::row_before, dM);
  }
  void write_gradient(const R* w, const R* dS, const R* K, R* dK, O& d) {
    clear(weighted, idx(rows) * n);
    machine.nt(rows, n, e, w, e, dS, e, weighted, n);
    decays.to_end(weighted, weighted);
    if constexpr (one_decay) machine.row_dots(rows, n, K, n, weighted, n, outflow);
    if constexpr (O::channel) machine.running_dots(rows - 1, n, K, n, weighted, n, d.g + n, n);
    machine.add(rows, n, weighted, n, dK, n);
  }
  // A log decay's gradient is what passes it, added up without differences, which would cost float its digits:
  // dg_t = sum_{j < t <= i} G_ij dG_ij + sum_{i >= t} (reads of the start) + sum_{j < t} (writes to the end) + <S, e^Gamma dS>
  void add_pairs(up_to how, const R* G) const {
    const idx skip = how == up_to::row_before ? rows : 0;
    if constexpr (one_decay) machine.multiply_add(rows - (skip ? 1 : 0), rows, dM + skip, rows, G + skip, rows, pairs, rows);
  }
  void add_inflow(up_to how, const R* x, const R* dx, [[maybe_unused]] O& d) const {
    const idx skip = how == up_to::row_before ? 1 : 0, last = (rows - 1) * idx(n);
    if constexpr (one_decay) machine.row_dots(rows - int(skip), n, x + skip * n, n, dx + skip * n, n, inflow);
    if constexpr (O::channel) machine.running_dots(rows - int(skip), n, x + last, -n, dx + last, -n, d.g + last - skip * n, -n);
  }
  void sum_decays(O& d) const {
    if constexpr (O::channel) {
      machine.add(rows, n, flux, 0, d.g, n);
    } else {
      R* below = dM;  // (rows): sum over the rows i >= t
      clear(below, rows);
      for (int t = rows - 1; t >= 0; --t) {
        const R* row = pairs + idx(t) * rows;
        by_channel(t, below, [&](int j) { return below[j] + row[j]; });
        d.g[t] += sum_over<R>(t, [&](int j) { return below[j]; });
      }
      R written = sum_over<R>(n, [&](int c) { return flux[c]; }), read(0);
      for (int t = 0; t < rows; ++t) d.g[t] += written, written += outflow[t];
      for (int t = rows - 1; t >= 0; --t) d.g[t] += read += inflow[t];
    }
  }
};

}  // namespace coefdyn::cpu::skeletons
