// SPDX-License-Identifier: MIT
#pragma once
#include <utility>

#include "chunk.hpp"

/// The chunk of a linear map without structure that is constant in time (dense A, real or complex): queries go back through A
/// row by row, meeting each earlier key on the way, and keys go forward to the chunk's end.
///
///   Z_ij = (q_i' A^(i-j)) b_j k_j,   y_i = sum_j Z_ij v_j + (q_i' A^(i+1)) S,   S <- A^C S + sum_j A^(C-1-j) b_j k_j v_j'
namespace coefdyn::cpu::skeletons {

template <skeleton Kind, class R>
  requires(!Kind.structured)
struct chunk<Kind, R> {
  using O = operands<Kind, R>;
  products<R> machine;
  int rows = 0, n = 0, e = 0;                         // n of the lowered state
  R *A = nullptr, *power = nullptr, *next = nullptr;  // (n, n): A, A^capacity, scratch
  R *W = nullptr, *moved = nullptr, *H = nullptr;     // (rows, e), (rows, n), (rows, n)
  R *Z = nullptr, *T = nullptr;                       // (rows, rows), (n, e)
  int capacity = 0;

  chunk() = default;
  chunk(arena& a, int rows_, int n_, int e_, const products<R>& p, bool) : machine(p), n(n_), e(e_), capacity(rows_) {
    const idx square = idx(n) * n;
    A = a.take<R>(square), power = a.take<R>(square), next = a.take<R>(square);
    W = a.take<R>(idx(capacity) * e), moved = a.take<R>(idx(capacity) * n), H = a.take<R>(idx(capacity) * n),
    Z = a.take<R>(idx(capacity) * capacity), T = a.take<R>(idx(n) * e);
  }

  /// The map as a matrix, column by column, and its power of the chunk's length. apply(p): the column at p, of complex
  /// numbers where the map is complex, times A in place.
  template <class Apply>
  void take_map(const Apply& apply) {
    using E = std::conditional_t<O::complex_state, complex<R>, R>;
    const int channels = O::complex_state ? n / 2 : n;
    E* column = reinterpret_cast<E*>(next);
    for (int c = 0; c < channels; ++c) {
      for (int r = 0; r < channels; ++r) column[r] = E(R(r == c));
      apply(column);
      for (int r = 0; r < channels; ++r) {
        if constexpr (O::complex_state) {
          A[idx(r) * n + c] = A[idx(r + channels) * n + c + channels] = column[r].re;
          A[idx(r + channels) * n + c] = column[r].im;
          A[idx(r) * n + c + channels] = -column[r].im;
        } else {
          A[idx(r) * n + c] = column[r];
        }
      }
    }
    for (idx i = 0; i < idx(n) * n; ++i) power[i] = A[i];
    for (int k = 1; k < capacity; ++k) {
      clear(next, idx(n) * n);
      machine.nn(n, n, n, A, n, power, n, next, n);
      std::swap(power, next);
    }
  }
  void prepare(const O& o, const R*) {
    rows = o.rows;
    machine.scale_rows(rows, e, o.b, o.V, e, W, e);
  }
  void read(const O& o, const R* Q, const R* p, const R* S, R* Y) {
    clear(Z, idx(rows) * rows), clear(Y, idx(rows) * e);
    copy(Q, idx(rows) * n, moved);
    for (int j = rows - 1; j >= 0; --j) {  // rows first.. have met the keys after j; a row that reads first meets only earlier ones
      const int first = O::before ? j + 1 : j;
      for (int i = first; i < rows; ++i)
        for (int c = 0; c < n; ++c) Z[idx(i) * rows + j] += moved[idx(i) * n + c] * o.K[idx(j) * n + c];
      const int count = rows - first;
      R* from = moved + idx(first) * n;
      clear(H, idx(count) * n);
      machine.nn(count, n, n, from, n, A, n, H, n);
      const R f = rescaled(o, j);
      for (idx i = 0; i < idx(count) * n; ++i) from[i] = f * H[i];
    }
    machine.nn_lower_left(rows, e, Z, rows, W, e, Y, e);
    machine.nn(rows, e, n, moved, n, S, e, Y, e);
    if constexpr (O::before)
      for (int i = 0; i < rows; ++i)
        for (int v = 0; v < e; ++v) Y[idx(i) * e + v] += p[i] * W[idx(i) * e + v];
  }
  void advance(const O& o, R* S) {
    R whole(1);
    for (int j = 0; j < rows; ++j) {  // rows 0..j-1 of `moved` are keys on their way to the end
      whole = whole * rescaled(o, j);
      if (j > 0) {
        clear(H, idx(j) * n);
        machine.nt(j, n, n, moved, n, A, n, H, n);
        for (idx i = 0; i < idx(j) * n; ++i) moved[i] = rescaled(o, j) * H[i];
      }
      for (int c = 0; c < n; ++c) moved[idx(j) * n + c] = o.K[idx(j) * n + c];
    }
    const auto through = [&](const R* map) {
      clear(T, idx(n) * e);
      machine.nn(n, e, n, map, n, S, e, T, e);
      copy(T, idx(n) * e, S);
    };
    if (rows == capacity) through(power);
    else
      for (int j = 0; j < rows; ++j) through(A);
    for (idx i = 0; i < idx(n) * e; ++i) S[i] = whole * S[i];
    machine.tn(n, e, rows, moved, n, W, e, S, e);
  }

 private:
  static R rescaled(const O& o, int j) { return O::stabilised ? o.shift[j] : R(1); }
};

}  // namespace coefdyn::cpu::skeletons
