// SPDX-License-Identifier: MIT
#pragma once
#include "decays.hpp"

/// A tile of the parallel form: the scores of its own rows, and what an earlier tile is to later queries. A query enters
/// at the tile's end and leaves at its start, transported by the tile's evolutions (PaTH):
///
///   Z = Q moved',                       moved_j = A_end ... A_{j+1} b_j k_j
///   Q <- Q A_end ... A_begin = e^Gamma o Q + (Q ends') U,   ends = F col,  U = (I - s (row col')_D)^-1 s (E row)
///
/// source  Yang et al. (PaTH), arXiv:2505.16381
namespace coefdyn::cpu::skeletons {

/// What later tiles need of this one: rows x n numbers, three times at most.
template <skeleton Kind, class R>
struct tile_summary {
  using O = operands<Kind, R>;
  int rows = 0, n = 0;
  R *moved = nullptr, *ends = nullptr, *U = nullptr;  // (rows, n)
  R* all = nullptr;                                   // (1 or n): e^Gamma
  R *co = nullptr, *si = nullptr;                     // (n / 2): the tile's whole angle

  static idx numbers(int rows, int n) {
    return idx(rows) * n * (O::corrects ? 3 : 1) + (O::has_decays ? (O::channel ? n : 1) : 0) + (O::turns ? n : 0);
  }
  tile_summary(R* base, int rows_, int n_) : rows(rows_), n(n_) {
    const auto take = [&](idx count) {
      R* p = base;
      base += count;
      return p;
    };
    moved = take(idx(rows) * n);
    if (O::corrects) ends = take(idx(rows) * n), U = take(idx(rows) * n);
    if (O::has_decays) all = take(O::channel ? n : 1);
    if (O::turns) co = take(n / 2), si = take(n / 2);
  }
  /// Queries at the tile's end, in its frame of turning.
  void enter(int count, R* Q) const {
    if constexpr (O::turns)
      for (int i = 0; i < count; ++i) O::turn(n, co, si, -1, Q + idx(i) * n);
  }
  /// Queries from the tile's end to its start; `dots` (count, rows) is scratch.
  void transport(const products<R>& machine, int count, R* Q, R* dots) const {
    if constexpr (O::corrects) {
      clear(dots, idx(count) * rows);
      machine.nt(count, rows, n, Q, n, ends, n, dots, rows);
    }
    if constexpr (O::has_decays)
      for (int i = 0; i < count; ++i)
        for (int c = 0; c < n; ++c) Q[idx(i) * n + c] = all[O::channel ? c : 0] * Q[idx(i) * n + c];
    if constexpr (O::corrects) machine.nn(count, n, rows, dots, rows, U, n, Q, n);
  }
};

template <skeleton Kind, class R>
struct tile {
  using O = operands<Kind, R>;
  static constexpr up_to read_up_to = O::before ? up_to::row_before : up_to::own_row;
  static constexpr up_to row_up_to = O::row_sees_decayed ? up_to::own_row : up_to::row_before;

  products<R> machine;
  decays_of<Kind, R> decays;
  int n = 0;
  R *w = nullptr, *L = nullptr, *Aqc = nullptr;  // (rows, rows): w_rj moves key j through correction r
  R* bK = nullptr;                               // (rows, n)

  tile() = default;
  tile(arena& a, int rows, int n_, const products<R>& p) : machine(p), decays(a, rows, n_, machine), n(n_) {
    const idx square = idx(rows) * rows;
    bK = a.take<R>(idx(rows) * n);
    if (O::corrects) w = a.take<R>(square), L = a.take<R>(square), Aqc = a.take<R>(square);
  }

  [[gnu::noinline]] void prepare(const O& o, const tile_summary<Kind, R>& s) {
    decays.machine = &machine;
    decays.prepare(o);
    const int rows = o.rows;
    machine.scale_rows(rows, n, o.b, o.K, n, bK, n);
    decays.to_end(bK, s.moved);
    if constexpr (O::corrects) {
      strict_gram(o, o.columns(), L);
      machine.scale_rows(rows, rows, o.s, L, rows, L, rows);
      strict_gram(o, bK, w);
      machine.scale_rows(rows, rows, o.s, w, rows, w, rows);
      machine.solve_lower(rows, rows, L, rows, w, rows);
      decays.from_start(row_up_to, o.row, s.U);
      machine.scale_rows(rows, n, o.s, s.U, n, s.U, n);
      machine.solve_lower(rows, n, L, rows, s.U, n);
      decays.to_end(o.columns(), s.ends);
      machine.tn_lower_left(rows, n, w, rows, s.ends, n, s.moved, n);
    }
    if constexpr (O::has_decays)
      for (int c = 0; c < o.decay_width(); ++c) s.all[c] = decays.all[c];
    if constexpr (O::turns)
      for (int p = 0; p < n / 2; ++p) s.co[p] = o.co[idx(rows - 1) * (n / 2) + p], s.si[p] = o.si[idx(rows - 1) * (n / 2) + p];
  }
  /// Scores Z (rows, rows) of the tile's own queries (0 where a row does not see), and the queries moved to its start, in place.
  [[gnu::noinline]] void own(const O& o, const tile_summary<Kind, R>& s, R* Q, R* Z) {
    const int rows = o.rows;
    decays.gram(read_up_to, Q, bK, Z);
    if constexpr (O::corrects) {
      decays.gram(read_up_to, Q, o.columns(), Aqc);
      machine.nn_lower_left(rows, rows, Aqc, rows, w, rows, Z, rows);
    }
    decays.from_start(read_up_to, Q, Q);
    if constexpr (O::corrects) machine.nn_lower_left(rows, n, Aqc, rows, s.U, n, Q, n);
  }

 private:
  void strict_gram(const O& o, const R* B, R* G) {
    decays.gram(row_up_to, o.row, B, G);
    for (int i = 0; i < o.rows; ++i) G[idx(i) * o.rows + i] = R(0);
  }
};

}  // namespace coefdyn::cpu::skeletons
