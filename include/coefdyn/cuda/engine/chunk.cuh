// SPDX-License-Identifier: MIT
#pragma once
#include "decays.cuh"

/// One chunk of the linear recurrence in matrix form by a team, as cpu/skeletons/chunk.hpp writes it:
///
///   u = s (E row S + (row K')_D W + (row col')_D u),   W = b V          (tied: col = K, W = b V + u)
///   y = E Q S + (Q K')_D W + (Q col')_D u + bonus
///   S <- e^Gamma S + (F K)' W + (F col)' u
///
/// The triangular system is solved by substitution in blocks of 16, and its inverse is never differentiated.
namespace coefdyn::cuda::generic::skeletons {

template <skeleton Kind, class R, int Passes>
struct chunk {
  using O = operands<Kind, R>;
  using P = products<R, Passes>;
  static constexpr bool corrects = O::corrects, untied = O::corrects && !O::tied;
  static constexpr bool one_decay = O::has_decays && !O::channel;
  static constexpr up_to read_up_to = O::before ? up_to::row_before : up_to::own_row;
  static constexpr up_to row_up_to = O::row_sees_decayed ? up_to::own_row : up_to::row_before;

  int rows = 0, n = 0, e = 0, ln = 0, le = 0, lr = 0;
  R *W = nullptr, *u = nullptr, *X = nullptr;                                      // (rows, e)
  R *Ark = nullptr, *Arc = nullptr, *Aqk = nullptr, *Aqc = nullptr, *L = nullptr;  // (rows, rows)
  R* weighted = nullptr;                                                           // (rows, n)
  R *dW = nullptr, *du = nullptr, *dM = nullptr, *dR = nullptr, *flux = nullptr;  // backward: (rows, e) twice, (rows, rows), (rows, n), (n)
  decays_of<Kind, R, Passes> decays;

  /// A forward chunk needs its Gram matrices one after the other; a backward one keeps them.
  COEFDYN_HD chunk(memory& a, int rows_, int n_, int e_, bool backward)
      : rows(rows_), n(n_), e(e_), ln(padded(n_)), le(padded(e_)), lr(padded(rows_)) {
    const idx square = idx(rows) * lr, wide = idx(rows) * le;
    W = a.take<R>(wide), weighted = a.take<R>(idx(rows) * ln), Aqk = a.take<R>(square);
    if (untied) u = a.take<R>(wide);
    if (corrects) X = backward || !untied ? a.take<R>(wide) : u;
    if (corrects) L = a.take<R>(square), Ark = backward ? a.take<R>(square) : Aqk;
    if (untied) Arc = backward ? a.take<R>(square) : L, Aqc = backward ? a.take<R>(square) : Aqk;
    if (backward) {
      dW = a.take<R>(wide), dM = a.take<R>(square), flux = a.take<R>(n + (one_decay ? 2 * rows : 0));
      if (untied) du = a.take<R>(wide);
      if (corrects) dR = a.take<R>(idx(rows) * ln);
    }
    decays = decays_of<Kind, R, Passes>(a, rows, n, backward);
  }

  /// Decays and corrected writes of a chunk whose start has the state S (n, le); value(r, u): element u of row r of the values.
  template <class Value>
  __device__ __noinline__ void prepare(const O& o_there, const R* S, Value value) {
    rows = o_there.rows;
    decays.prepare(o_there);
    const O o = o_there;
    chunk here = *this;  // copies, whose members are registers
    here.prepare_here(o, S, value);
  }
  template <class Value>
  __device__ __forceinline__ void prepare_here(const O& o, const R* S, Value value) {
    each2(rows, e, [&](int r, int v) { W[r * le + v] = o.b[r] * value(r, v); });
    if constexpr (corrects) {
      clear(X, rows * le);
      decays.from_start(row_up_to, o.row, weighted);
      P::nn(rows, e, n, weighted, ln, S, le, X, le);
      strict_gram(o, o.K, Ark);
      if constexpr (untied) {
        P::nn(rows, e, rows, Ark, lr, W, le, X, le, part::lower_left);
        strict_gram(o, o.col, Arc);
        each2(rows, e, [&](int r, int v) { u[r * le + v] = o.s[r] * X[r * le + v]; });
        each2(rows, rows, [&](int r, int j) { L[r * lr + j] = o.s[r] * Arc[r * lr + j]; });
        P::solve_lower(rows, e, L, lr, u, le);
      } else {
        each2(rows, e, [&](int r, int v) { W[r * le + v] += o.s[r] * X[r * le + v]; });
        each2(rows, rows, [&](int r, int j) { L[r * lr + j] = o.s[r] * Ark[r * lr + j]; });
        P::solve_lower(rows, e, L, lr, W, le);
      }
    }
  }
  /// Y (rows, le) of queries Q (rows, ln); p: bonus scores.
  template <class Value>
  __device__ __noinline__ void read(const O& o_there, const R* Q, const R* p, const R* S, R* Y, Value value) {
    const O o = o_there;
    chunk here = *this;
    here.read_here(o, Q, p, S, Y, value);
  }
  template <class Value>
  __device__ __forceinline__ void read_here(const O& o, const R* Q, const R* p, const R* S, R* Y, Value value) {
    clear(Y, rows * le);
    decays.from_start(read_up_to, Q, weighted);
    P::nn(rows, e, n, weighted, ln, S, le, Y, le);
    decays.gram(o, read_up_to, Q, o.K, Aqk);
    P::nn(rows, e, rows, Aqk, lr, W, le, Y, le, part::lower_left);
    if constexpr (untied) {
      decays.gram(o, read_up_to, Q, o.col, Aqc);
      P::nn(rows, e, rows, Aqc, lr, u, le, Y, le, part::lower_left);
    }
    if constexpr (O::before)
      each2(o.tokens, e, [&](int i, int v) {
        const int w = (i + 1) * O::micro - 1;  // the row that writes
        Y[O::read_row(i) * le + v] += p[i] * o.b[w] * value(w, v);
      });
  }
  /// S at the chunk's start becomes S at its end; turned where P counts from the chunk's start.
  __device__ __noinline__ void advance(const O& o_there, R* S) {
    const O o = o_there;
    chunk here = *this;
    here.advance_here(o, S);
  }
  __device__ __forceinline__ void advance_here(const O& o, R* S) {
    if constexpr (O::has_decays) each2(n, e, [&](int c, int v) { S[c * le + v] = decays.whole(c) * S[c * le + v]; });
    decays.to_end(o.K, weighted);
    P::tn(n, e, rows, weighted, ln, W, le, S, le);
    if constexpr (untied) {
      decays.to_end(o.col, weighted);
      P::tn(n, e, rows, weighted, ln, u, le, S, le);
    }
    if constexpr (O::turns) {
      if (!o.onward) turn_state(o, +1, S);
    }
  }

  // ---- backward: begin, then read_backward for every reader, then finish ------------------------------------------------
  /// S_end: state at the end; dS (n, le): gradient there, turned into the chunk's frame here.
  __device__ void begin_backward(const O& o, const R* S_end, R* dS, const O& d) {
    if constexpr (one_decay) clear(flux, n + 2 * rows);
    if constexpr (O::turns) {  // d(angle of the whole chunk), from the state at its end
      R* dP = d.co + (rows - 1) * (n / 2);
      each_sum(
          n / 2, e,
          [&](int p, int v) {
            const channel_pair i = pair_of(O::pairs, p, n);
            return dS[i.y * le + v] * S_end[i.x * le + v] - dS[i.x * le + v] * S_end[i.y * le + v];
          },
          [&](int p, R sum) { dP[p] += sum; });
      turn_state(o, -1, dS);
    }
    clear(dW, rows * le);
    decays.to_end(o.K, weighted);
    P::nn(rows, e, n, weighted, ln, dS, le, dW, le);
    if constexpr (untied) {
      clear(du, rows * le);
      decays.to_end(o.col, weighted);
      P::nn(rows, e, n, weighted, ln, dS, le, du, le);
    }
  }
  /// dQ (rows, ln) overwritten, dp set; dS_start += what this reader's reads of the start's state add.
  template <class Value>
  __device__ void read_backward(const O& o, const R* Q, const R* p, const R* S, const R* dY, R* dQ, R* dp, R* dS_start, const O& d,
                                Value value) {
    clear(dQ, rows * ln);
    P::nt(rows, n, e, dY, le, S, le, dQ, ln);
    decays.from_start(read_up_to, dQ, dQ);
    decays.add_inflow(read_up_to, Q, dQ, inflow(d));
    decays.from_start(read_up_to, Q, weighted);
    P::tn(n, e, rows, weighted, ln, dY, le, dS_start, le);
    decays.gram(o, read_up_to, Q, o.K, Aqk);
    P::tn(rows, e, rows, Aqk, lr, dY, le, dW, le, part::upper_left);
    pair_gradient(read_up_to, dY, W);
    gram_backward(o, read_up_to, Q, o.K, Aqk, dQ, d.K, d);
    if constexpr (untied) {
      decays.gram(o, read_up_to, Q, o.col, Aqc);
      P::tn(rows, e, rows, Aqc, lr, dY, le, du, le, part::upper_left);
      pair_gradient(read_up_to, dY, u);
      gram_backward(o, read_up_to, Q, o.col, Aqc, dQ, d.col, d);
    }
    if constexpr (O::before) {
      each2(o.tokens, e, [&](int i, int v) {
        const int w = (i + 1) * O::micro - 1;
        d.V[w * le + v] += p[i] * o.b[w] * dY[O::read_row(i) * le + v];
      });
      each_sum(
          o.tokens, e, [&](int i, int v) { return dY[O::read_row(i) * le + v] * value((i + 1) * O::micro - 1, v); },
          [&](int i, R dot) {
            const int w = (i + 1) * O::micro - 1;
            d.b[w] += p[i] * dot;
            dp[i] = o.b[w] * dot;
          });
    }
    if constexpr (O::turns) each_unsynced(n / 2, [&](int p) { o.turn_reads_back(p, Q, dQ, d.co); });
    __syncthreads();
  }
  /// The corrections, writes and decays; dS becomes the gradient at the chunk's start (dS_start: what the reads gave).
  template <class Value>
  __device__ void finish_backward(const O& o, const R* S, R* dS, R* dS_start, const O& d, Value value) {
    if constexpr (corrects) {
      R* t = untied ? du : dW;  // (I - L)^-T of it: the gradient of the system's right-hand side
      P::solve_lower_transposed(rows, e, L, lr, t, le);
      // E = X + Ark W + Arc u: what s multiplies; X already holds Ark W0 when untied
      P::nn(rows, e, rows, untied ? Arc : Ark, lr, untied ? u : W, le, X, le, part::lower_left);
      P::row_dots(rows, e, t, le, X, le, d.s);
      each2(rows, e, [&](int r, int v) { X[r * le + v] = o.s[r] * t[r * le + v]; });  // X = dX = s t from here on
      if constexpr (untied) P::tn(rows, e, rows, Ark, lr, X, le, dW, le, part::upper_left);
      clear(dR, rows * ln);
      P::nt(rows, n, e, X, le, S, le, dR, ln);
      decays.from_start(row_up_to, dR, dR);
      decays.add_inflow(row_up_to, o.row, dR, inflow(d));
      decays.from_start(row_up_to, o.row, weighted);
      P::tn(n, e, rows, weighted, ln, X, le, dS_start, le);
      pair_gradient(up_to::row_before, X, W);
      gram_backward(o, row_up_to, o.row, o.K, Ark, dR, d.K, d);
      if constexpr (untied) {
        pair_gradient(up_to::row_before, X, u);
        gram_backward(o, row_up_to, o.row, o.col, Arc, dR, d.col, d);
      }
      each2(rows, n, [&](int r, int c) { d.row[r * ln + c] += dR[r * ln + c]; });
    }
    write_gradient(W, dS, o.K, d.K, d);
    if constexpr (untied) write_gradient(u, dS, o.col, d.col, d);
    each_sum(
        rows, e, [&](int r, int v) { return dW[r * le + v] * value(r, v); },
        [&](int r, R sum) { d.b[r] = O::writes_at(r) ? d.b[r] + sum : R(0); });
    each2(rows, e, [&](int r, int v) { d.V[r * le + v] += o.b[r] * dW[r * le + v]; });
    if constexpr (O::has_decays) {
      each_sum(
          n, e, [&](int c, int v) { return S[c * le + v] * (decays.whole(c) * dS[c * le + v]); }, [&](int c, R sum) { flux[c] = sum; });
      if constexpr (one_decay) each_sum(1, n, [&](int, int c) { return flux[c]; }, [&](int, R sum) { flux[0] = sum; });
      decays.sum_decays(inflow(d), outflow(d), flux, d.g);
    }
    each2(n, e, [&](int c, int v) { dS[c * le + v] = decays.whole(c) * dS[c * le + v] + dS_start[c * le + v]; });
    unturn(o, d);
  }

 private:
  // rows against columns of earlier rows only; the decay may include the row's own
  __device__ __noinline__ void strict_gram(const O& o, const R* B, R* G) {
    decays.gram(o, row_up_to, o.row, B, G);
    each(rows, [&](int i) { G[i * lr + i] = R(0); });
  }
  // dM_ij = <A_i, B_j> where the Gram matrix lives, 0 elsewhere
  __device__ __noinline__ void pair_gradient(up_to how, const R* A, const R* B) {
    clear(dM, rows * lr);
    P::nt(rows, rows, e, A, le, B, le, dM, lr, part::lower_out);
    each2(rows, rows, [&](int i, int j) {
      if (j >= i + (how == up_to::row_before ? 0 : 1)) dM[i * lr + j] = R(0);
    });
  }
  // what reads of the start give to the gradients of the decays before them, and writes to the end to those after: of one decay a row
  // (rows)
  __device__ R* inflow(const O& d) const { return one_decay ? flux + n : d.g; }
  __device__ R* outflow(const O& d) const { return one_decay ? flux + n + rows : d.g; }
  // dA, dB and dg of a Gram matrix G, which is overwritten; dM is its gradient
  __device__ void gram_backward(const O& o, up_to how, const R* A, const R* B, [[maybe_unused]] R* G, R* dA, R* dB, const O& d) {
    if constexpr (one_decay) decays.add_pairs(how, G, dM, d.g);
    decays.gram_backward(o, how, A, B, dM, dA, dB, d.g);
  }
  __device__ __noinline__ void write_gradient(const R* w, const R* dS, const R* K, R* dK, const O& d) {
    clear(weighted, rows * ln);
    P::nt(rows, n, e, w, le, dS, le, weighted, ln);
    decays.to_end(weighted, weighted);
    decays.add_outflow(K, weighted, outflow(d));
    each2(rows, n, [&](int r, int c) { dK[r * ln + c] += weighted[r * ln + c]; });
  }
  __device__ __noinline__ void turn_state(const O& o, int sign, R* S) const {
    if constexpr (O::turns) {
      each2(n / 2, e, [&](int p, int v) {
        const channel_pair i = pair_of(O::pairs, p, n);
        o.turn_whole(p, sign, S[i.x * le + v], S[i.y * le + v]);
      });
    }
  }
  // operands' gradients out of the turned frame, and the angles' gradients as sums over the rows after
  __device__ void unturn(const O& o, const O& d) const {
    if constexpr (O::turns) each(n / 2, [&](int p) { o.turn_writes_back(rows, p, d); });
  }
};

}  // namespace coefdyn::cuda::generic::skeletons
