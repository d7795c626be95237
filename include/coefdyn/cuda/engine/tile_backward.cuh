// SPDX-License-Identifier: MIT
#pragma once
#include "tile.cuh"

/// The adjoint of a tile of the parallel form by a team: of its own scores, of the transport through it, and of its summary.
namespace coefdyn::cuda::generic::skeletons {

/// Gradients of a tile_summary, and of the queries' turning through the tile.
template <skeleton Kind, class R>
struct tile_summary_gradient : tile_summary<Kind, R> {
  R* angle = nullptr;  // (n / 2): of the whole tile's angle
  static COEFDYN_HD idx numbers(int full, int n_) { return tile_summary<Kind, R>::numbers(full, n_) + n_; }
  COEFDYN_HD tile_summary_gradient(R* base, int full, int rows_, int n_)
      : tile_summary<Kind, R>(base, full, rows_, n_), angle(base + tile_summary<Kind, R>::numbers(full, n_)) {}
};

template <skeleton Kind, class R, int Passes>
struct tile_backward {
  using O = operands<Kind, R>;
  using tile_type = tile<Kind, R, Passes>;
  using P = products<R, Passes>;
  static constexpr bool one_decay = O::has_decays && !O::channel;
  int n = 0, ln = 0, lr = 0;
  R *dw = nullptr, *dL = nullptr, *dA = nullptr, *Ark = nullptr;  // (rows, rows)
  R *dbK = nullptr, *dR = nullptr, *weighted = nullptr;           // (rows, n)
  R *dots = nullptr, *more = nullptr, *flux = nullptr;            // (rows, rows) each, (n)

  COEFDYN_HD tile_backward(memory& a, int rows, int n_) : n(n_), ln(padded(n_)), lr(padded(rows)) {
    const idx square = idx(rows) * lr, wide = idx(rows) * ln;
    dbK = a.take<R>(wide), weighted = a.take<R>(wide), flux = a.take<R>(n + (one_decay ? 2 * rows : 0));
    if (O::corrects)
      dots = a.take<R>(square), more = a.take<R>(square), dA = a.take<R>(square), dw = a.take<R>(square), dL = a.take<R>(square),
      dR = a.take<R>(wide);
    if (O::corrects || one_decay) Ark = a.take<R>(square);
  }
  __device__ void begin(const O& o) const {
    clear(dbK, o.rows * ln);
    if constexpr (O::corrects) clear(dw, o.rows * lr);
    if constexpr (one_decay) clear(flux, n + 2 * o.rows);
  }
  /// Own tile of one reader: Q the queries as lowered; dZ (rows, rows) of its scores, dQ_start of the queries at the tile's
  /// start. dQ is overwritten; sums go to dbK, dw, d and the summary's gradient.
  __device__ __noinline__ void own(const tile_type& t, const O& o, const tile_summary<Kind, R>& s, const R* Q, R* dZ, const R* dQ_start,
                                   R* dQ, const O& d, const tile_summary_gradient<Kind, R>& ds) const {
    const int rows = o.rows;
    constexpr up_to how = tile_type::read_up_to;
    t.decays.from_start(how, dQ_start, dQ);
    t.decays.add_inflow(how, Q, dQ, inflow(d));
    if constexpr (O::corrects) {
      t.decays.gram(o, how, Q, o.columns(), t.Aqc);
      clear(dA, rows * lr);
      P::nt(rows, rows, n, dQ_start, ln, s.U, ln, dA, lr);
      P::nt(rows, rows, rows, dZ, lr, t.w, lr, dA, lr);
      mask(how, rows, dA);
      P::tn(rows, n, rows, t.Aqc, lr, dQ_start, ln, ds.U, ln, part::upper_left);
      P::tn(rows, rows, rows, t.Aqc, lr, dZ, lr, dw, lr, part::upper_left);
      gram_backward(t, o, how, Q, o.columns(), t.Aqc, dA, dQ, O::tied ? d.K : d.col, d);
    }
    if constexpr (one_decay) t.decays.gram(o, how, Q, t.bK, Ark);
    gram_backward(t, o, how, Q, t.bK, Ark, dZ, dQ, dbK, d);
    if constexpr (O::turns) each_unsynced(n / 2, [&](int p) { o.turn_reads_back(p, Q, dQ, d.co); });
    __syncthreads();
  }
  /// Queries on their way through an earlier tile: Q (count, n) as they came to its end, in its frame; dQ: at its start in, at
  /// its end (not yet turned back) out; dZ (count, rows) of the scores there.
  __device__ __noinline__ void through(const tile_summary<Kind, R>& s, int count, const R* Q, const R* dZ, R* dQ,
                                       const tile_summary_gradient<Kind, R>& ds) const {
    const int rows = s.rows;
    if constexpr (O::corrects) {
      clear(dots, count * lr), clear(more, count * lr);
      P::nt(count, rows, n, Q, ln, s.ends, ln, dots, lr);
      P::nt(count, rows, n, dQ, ln, s.U, ln, more, lr);
      P::tn(rows, n, count, dots, lr, dQ, ln, ds.U, ln);
      P::tn(rows, n, count, more, lr, Q, ln, ds.ends, ln);
    }
    if constexpr (O::has_decays) {
      if constexpr (O::channel) {
        each_sum(n, count, [&](int c, int i) { return Q[i * ln + c] * dQ[i * ln + c]; }, [&](int c, R sum) { ds.all[c] += sum; });
      } else {
        each_sum(
            1, count * n, [&](int, int k) { return Q[k / n * ln + k % n] * dQ[k / n * ln + k % n]; },
            [&](int, R sum) { ds.all[0] += sum; });
      }
      each2(count, n, [&](int i, int c) { dQ[i * ln + c] = s.through(c) * dQ[i * ln + c]; });
    }
    if constexpr (O::corrects) P::nn(count, n, rows, more, lr, s.ends, ln, dQ, ln);
    P::nn(count, n, rows, dZ, lr, s.moved, ln, dQ, ln);
    P::tn(rows, n, count, dZ, lr, Q, ln, ds.moved, ln);
  }
  /// Out of the tile's frame of turning: dQ at its end, and the angle's gradient.
  __device__ void leave(const tile_summary<Kind, R>& s, int count, const R* Q, R* dQ, const tile_summary_gradient<Kind, R>& ds) const {
    if constexpr (O::turns) {
      each_sum(
          n / 2, count,
          [&](int p, int i) {
            const channel_pair a = pair_of(O::pairs, p, n);
            return dQ[i * ln + a.x] * Q[i * ln + a.y] - dQ[i * ln + a.y] * Q[i * ln + a.x];
          },
          [&](int p, R sum) { ds.angle[p] += sum; });
      s.turn(count, +1, dQ);
    }
  }
  /// The summary's and the keys' gradients to the tile's operands; t has been prepared for it.
  __device__ __noinline__ void finish(const tile_type& t, const O& o, const tile_summary<Kind, R>& s,
                                      const tile_summary_gradient<Kind, R>& ds, const O& d) const {
    const int rows = o.rows, width = O::has_decays ? (O::channel ? n : 1) : 0;
    each(width, [&](int c) { flux[c] = ds.all[c] * s.all[c]; });
    if constexpr (O::corrects) {  // moved = F bK + w' ends
      clear(dA, rows * lr);
      P::nt(rows, rows, n, s.ends, ln, ds.moved, ln, dA, lr);
      each2(rows, rows, [&](int r, int j) { dw[r * lr + j] = j < r ? dw[r * lr + j] + dA[r * lr + j] : R(0); });
      P::nn(rows, n, rows, t.w, lr, ds.moved, ln, ds.ends, ln, part::lower_left);
    }
    end_weighted(t, o, t.bK, ds.moved, dbK, d);
    if constexpr (O::corrects) {
      end_weighted(t, o, o.columns(), ds.ends, O::tied ? d.K : d.col, d);
      corrections_backward(t, o, s, ds, d);
    }
    t.decays.sum_decays(inflow(d), outflow(o, d), flux, d.g);
    P::row_dots(rows, n, dbK, ln, o.K, ln, d.b);
    each2(rows, n, [&](int r, int c) { d.K[r * ln + c] += o.b[r] * dbK[r * ln + c]; });
    if constexpr (O::turns)
      each(n / 2, [&](int p) {
        d.co[(rows - 1) * (n / 2) + p] += ds.angle[p];
        o.turn_writes_back(rows, p, d);
      });
  }

 private:
  // U = (I - L)^-1 s (E row) and w = (I - L)^-1 s (row bK') by what they solve: gradients of the rows, the columns, the strengths and bK
  __device__ __forceinline__ void corrections_backward(const tile_type& t, const O& o, const tile_summary<Kind, R>& s,
                                                       const tile_summary_gradient<Kind, R>& ds, const O& d) const {
    const int rows = o.rows;
    constexpr up_to how = tile_type::row_up_to;
    P::solve_lower_transposed(rows, n, t.L, lr, ds.U, ln);
    P::solve_lower_transposed(rows, rows, t.L, lr, dw, lr);
    clear(dL, rows * lr);
    P::nt(rows, rows, n, ds.U, ln, s.U, ln, dL, lr);
    P::nt(rows, rows, rows, dw, lr, t.w, lr, dL, lr);
    mask(up_to::row_before, rows, dL), mask(up_to::row_before, rows, dw);
    t.decays.from_start(how, o.row, weighted);
    P::row_dots(rows, n, ds.U, ln, weighted, ln, d.s);
    scale(o, n, ds.U, ln);
    t.decays.from_start(how, ds.U, dR);
    t.decays.add_inflow(how, o.row, dR, inflow(d));
    t.strict_gram(o, o.columns(), Ark);
    P::row_dots(rows, rows, dL, lr, Ark, lr, d.s);
    scale(o, rows, dL, lr);
    gram_backward(t, o, how, o.row, o.columns(), Ark, dL, dR, O::tied ? d.K : d.col, d);
    t.strict_gram(o, t.bK, Ark);
    P::row_dots(rows, rows, dw, lr, Ark, lr, d.s);
    scale(o, rows, dw, lr);
    gram_backward(t, o, how, o.row, t.bK, Ark, dw, dR, dbK, d);
    each2(rows, n, [&](int r, int c) { d.row[r * ln + c] += dR[r * ln + c]; });
  }
  // what reads of the start give to the gradients of the decays before them, and writes to the end to those after: of one decay a row
  // (rows)
  __device__ R* inflow(const O& d) const { return one_decay ? flux + n : d.g; }
  __device__ R* outflow(const O& o, const O& d) const { return one_decay ? flux + n + o.rows : d.g; }
  // dA, dB and dg of a Gram matrix G, which is overwritten
  __device__ void gram_backward(const tile_type& t, const O& o, up_to how, const R* A, const R* B, [[maybe_unused]] R* G, R* dG, R* dA,
                                R* dB, const O& d) const {
    if constexpr (one_decay) t.decays.add_pairs(how, G, dG, d.g);
    t.decays.gram_backward(o, how, A, B, dG, dA, dB, d.g);
  }
  __device__ void mask(up_to how, int rows, R* G) const {
    each2(rows, rows, [&](int i, int j) {
      if (j >= i + (how == up_to::row_before ? 0 : 1)) G[i * lr + j] = R(0);
    });
  }
  __device__ void scale(const O& o, int columns, R* X, int ldx) const {
    each2(o.rows, columns, [&](int r, int c) { X[r * ldx + c] = o.s[r] * X[r * ldx + c]; });
  }
  // y = F x: dx += F dy, and what passes F's decays
  __device__ void end_weighted(const tile_type& t, const O& o, const R* x, const R* dy, R* dx, const O& d) const {
    t.decays.to_end(dy, weighted);
    t.decays.add_outflow(x, weighted, outflow(o, d));
    each2(o.rows, n, [&](int r, int c) { dx[r * ln + c] += weighted[r * ln + c]; });
  }
};

}  // namespace coefdyn::cuda::generic::skeletons
