// SPDX-License-Identifier: MIT
#pragma once
#include "decays.cuh"

/// A tile of the parallel form by a team, as cpu/skeletons/tile.hpp writes it: the scores of its own rows, and what it is to later
/// queries, which enter at its end and leave at its start:
///
///   Z = Q moved',   Q <- e^Gamma o Q + (Q ends') U,   ends = F col,  U = (I - s (row col')_D)^-1 s (E row)
namespace coefdyn::cuda::generic::skeletons {

/// What later tiles need of this one.
template <skeleton Kind, class R>
struct tile_summary {
  using O = operands<Kind, R>;
  int rows = 0, n = 0, ln = 0;
  R *moved = nullptr, *ends = nullptr, *U = nullptr;  // (rows, n)
  R *all = nullptr, *co = nullptr, *si = nullptr;     // (1 or n): e^Gamma; (n / 2): the tile's whole angle

  /// Numbers for tiles of up to `rows` rows; a shorter last tile uses their first part.
  static COEFDYN_HD idx numbers(int rows, int n) {
    return (idx(rows) * padded(n) * (O::corrects ? 3 : 1) + (O::has_decays ? (O::channel ? n : 1) : 0) + (O::turns ? n : 0) + 3) / 4 * 4;
  }
  COEFDYN_HD tile_summary(R* base, int full, int rows_, int n_) : rows(rows_), n(n_), ln(padded(n_)) {
    moved = base;
    base += idx(full) * ln;
    if (O::corrects) ends = base, U = base + idx(full) * ln, base += 2 * idx(full) * ln;
    if (O::has_decays) all = base, base += O::channel ? n : 1;
    if (O::turns) co = base, si = base + n / 2;
  }
  __device__ R through(int c) const {
    if constexpr (!O::has_decays) {
      return R(1);
    } else {
      return all[O::channel ? c : 0];
    }
  }
  /// Queries to the tile's end, in its frame of turning, or back out of it.
  __device__ void turn(int count, int sign, R* Q) const {
    if constexpr (O::turns)
      each2(count, n / 2, [&](int i, int p) {
        const channel_pair at = pair_of(O::pairs, p, n);
        cpu::turn_pair(co[p], sign < 0 ? -si[p] : si[p], Q[i * ln + at.x], Q[i * ln + at.y]);
      });
  }
  /// Queries from the tile's end to its start; `dots` (count, lr) is scratch.
  template <class P>
  __device__ void transport(P, int count, R* Q, R* dots, int lr) const {
    if constexpr (O::corrects) {
      clear(dots, count * lr);
      P::nt(count, rows, n, Q, ln, ends, ln, dots, lr);
    }
    if constexpr (O::has_decays) each2(count, n, [&](int i, int c) { Q[i * ln + c] = through(c) * Q[i * ln + c]; });
    if constexpr (O::corrects) P::nn(count, n, rows, dots, lr, U, ln, Q, ln);
  }
};

template <skeleton Kind, class R, int Passes>
struct tile {
  using O = operands<Kind, R>;
  using P = products<R, Passes>;
  static constexpr up_to read_up_to = O::before ? up_to::row_before : up_to::own_row;
  static constexpr up_to row_up_to = O::row_sees_decayed ? up_to::own_row : up_to::row_before;
  int n = 0, ln = 0, lr = 0;
  R *w = nullptr, *L = nullptr, *Aqc = nullptr;  // (rows, rows): w_rj moves key j through correction r
  R* bK = nullptr;                               // (rows, n)
  decays_of<Kind, R, Passes> decays;

  COEFDYN_HD tile(memory& a, int rows, int n_, bool backward) : n(n_), ln(padded(n_)), lr(padded(rows)) {
    const idx square = idx(rows) * lr;
    bK = a.take<R>(idx(rows) * ln);
    if (O::corrects) w = a.take<R>(square), L = a.take<R>(square), Aqc = a.take<R>(square);
    decays = decays_of<Kind, R, Passes>(a, rows, n, backward);
  }
  __device__ __noinline__ void prepare(const O& o, const tile_summary<Kind, R>& s) {
    decays.prepare(o);
    const int rows = o.rows;
    each2(rows, n, [&](int r, int c) { bK[r * ln + c] = o.b[r] * o.K[r * ln + c]; });
    decays.to_end(bK, s.moved);
    if constexpr (O::corrects) {
      strict_gram(o, o.columns(), L);
      each2(rows, rows, [&](int r, int j) { L[r * lr + j] = o.s[r] * L[r * lr + j]; });
      strict_gram(o, bK, w);
      each2(rows, rows, [&](int r, int j) { w[r * lr + j] = o.s[r] * w[r * lr + j]; });
      P::solve_lower(rows, rows, L, lr, w, lr);
      decays.from_start(row_up_to, o.row, s.U);
      each2(rows, n, [&](int r, int c) { s.U[r * ln + c] = o.s[r] * s.U[r * ln + c]; });
      P::solve_lower(rows, n, L, lr, s.U, ln);
      decays.to_end(o.columns(), s.ends);
      P::tn(rows, n, rows, w, lr, s.ends, ln, s.moved, ln, part::upper_left);
    }
    if constexpr (O::has_decays) each(O::channel ? n : 1, [&](int c) { s.all[c] = decays.all[c]; });
    if constexpr (O::turns) each(n / 2, [&](int p) { s.co[p] = o.co[(rows - 1) * (n / 2) + p], s.si[p] = o.si[(rows - 1) * (n / 2) + p]; });
  }
  /// Scores Z (rows, lr) of the tile's own queries (0 where a row does not see), and the queries moved to its start, in place.
  __device__ __noinline__ void own(const O& o, const tile_summary<Kind, R>& s, R* Q, R* Z) const {
    const int rows = o.rows;
    decays.gram(o, read_up_to, Q, bK, Z);
    if constexpr (O::corrects) {
      decays.gram(o, read_up_to, Q, o.columns(), Aqc);
      P::nn(rows, rows, rows, Aqc, lr, w, lr, Z, lr, part::lower_left);
    }
    decays.from_start(read_up_to, Q, Q);
    if constexpr (O::corrects) P::nn(rows, n, rows, Aqc, lr, s.U, ln, Q, ln, part::lower_left);
  }
  __device__ void strict_gram(const O& o, const R* B, R* G) const {
    decays.gram(o, row_up_to, o.row, B, G);
    each(o.rows, [&](int i) { G[i * lr + i] = R(0); });
  }
};

}  // namespace coefdyn::cuda::generic::skeletons
