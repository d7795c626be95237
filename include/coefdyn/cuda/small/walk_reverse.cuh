// SPDX-License-Identifier: MIT
#pragma once
#include "walk_block.cuh"

/// The recurrence and its adjoint over the lowered rows of a window. One warp has the state by columns of values, one by channels, so that
/// every sum of either kind is over few lanes; they meet at a window's ends only. With T = e^g S:
///
///   x = row' T or row' S,   W = b V (+ s x where tied),   S <- T + K W' (+ col s x')
///   dW = K' dS,  du = col' dS (tied: dW),  dx = s du,  dT = dS (+ row dx'),  dS <- e^g dT (+ row dx')        by columns
///   dQ = S dY,  dK = dS W,  dcol = dS s x,  drow = T dx or S dx,  dg = <T, dT>                               by channels
namespace coefdyn::cuda::small {

enum class keep { nothing, corrections, all };

template <class M, class R, class X, int N>
struct walk_pass {
  using traits_ = traits<M>;
  using Block = walk_block<M, R, X, N>;
  using O = operands<M, R>;
  using Tile = lane_tile<N>;
  static constexpr int micro = traits_::micro, ln = Block::ln, outers = Tile::outers, inners = Tile::inners;
  static constexpr bool corrects = Block::corrects, untied = Block::untied, states = Block::states, before = O::before;
  static constexpr bool undecayed = corrects && traits_::structure.row_sees == sees::undecayed;
  const Block w;
  const int count;  // tokens

  __device__ static bool begins(int r) { return r % micro == 0; }
  __device__ static bool ends(int r) { return r % micro == micro - 1; }

  // ---- by columns of values: outer is a column, inner a channel ------------------------------------------------------------
  /// S over all rows. Kept: nothing; what the corrections read, in memory at `far` (rows, N); that, what is written and the reads'
  /// numerators in the block's.
  template <keep kept>
  __device__ __forceinline__ void columns(Tile& S, R* far = nullptr) const {
#pragma unroll 1
    for (int r = 0; r < count * micro; ++r) {
      if (kept == keep::all && before && begins(r)) numerators(S, r);
      float row[inners], x[outers], W[outers], K[inners];
      Tile::outer_of(w.W + r * ln, W);
      if constexpr (undecayed) Tile::inner_of(w.o.row + r * ln, row), S.dot(row, x);
      decay_channels_inside(S, r);
      if constexpr (corrects) {
        if constexpr (!undecayed) Tile::inner_of(w.o.row + r * ln, row), S.dot(row, x);
        Tile::everyone(x);
        if constexpr (kept == keep::corrections) Tile::put_outer(far + r * N, x);
        if constexpr (kept == keep::all) Tile::put_outer(w.X_ + r * ln, x);
        const R s = w.o.s[r];
#pragma unroll
        for (int u = 0; u < outers; ++u) x[u] = s * x[u], W[u] += untied ? R(0) : x[u];
        if constexpr (kept == keep::all && !untied) {
          __syncwarp();
          Tile::put_outer(w.W + r * ln, W);
        }
      }
      Tile::inner_of(w.o.K + r * ln, K);
      S.add(W, K);
      if constexpr (untied) {
        Tile::inner_of(w.o.col + r * ln, K);
        S.add(x, K);
      }
      if (kept == keep::all && !before && ends(r)) numerators(S, r);
    }
  }
  /// dS from the last row to the first.
  __device__ __forceinline__ void columns_back(Tile& dS) const {
#pragma unroll 1
    for (int r = count * micro - 1; r >= 0; --r) {
      if (!before && ends(r)) reads_of_columns(dS, r);
      float a[inners], dW[outers];
      Tile::inner_of(w.o.K + r * ln, a);
      dS.dot(a, dW);
      Tile::everyone(dW);
      Tile::put_outer(w.dW + r * ln, dW);
      if constexpr (corrects) {
        if constexpr (untied) {
          Tile::inner_of(w.o.col + r * ln, a);
          dS.dot(a, dW);
          Tile::everyone(dW);
          Tile::put_outer(w.du + r * ln, dW);
        }
        const R s = w.o.s[r];
#pragma unroll
        for (int u = 0; u < outers; ++u) dW[u] *= s;
        Tile::put_outer(w.dX + r * ln, dW);
        Tile::inner_of(w.o.row + r * ln, a);
        if constexpr (!undecayed) dS.add(dW, a);
      }
      decay_channels_inside(dS, r);
      if constexpr (undecayed) dS.add(dW, a);
      if (before && begins(r)) reads_of_columns(dS, r);
    }
  }
  /// Gradients of V, b and s, by the warp that has gone back over the columns.
  __device__ __forceinline__ void numbers() const {
    const int v = int(threadIdx.x) % N, first = int(threadIdx.x) % 32 / N;
    __syncwarp();
#pragma unroll 1
    for (int r0 = 0; r0 < count * micro; r0 += 32 / N) {
      const int r = r0 + first;
      const bool any = r < count * micro;
      const R dW = any ? w.dW[r * ln + v] : R(0);
      const R db = warp_sum(any ? dW * w.value(r, v) : R(0), N);
      if constexpr (corrects) {
        const R ds = warp_sum(any ? (untied ? w.du : w.dW)[r * ln + v] * w.X_[r * ln + v] : R(0), N);
        if (any && v == 0) w.d.s[r] = ds;
      }
      if (any) w.d.V[r * ln + v] = w.o.b[r] * dW;
      if (any && v == 0) w.d.b[r] = traits_::writes_at(r % micro) ? db : R(0);
    }
  }

  // ---- by channels: outer is a channel, inner a column ----------------------------------------------------------------------
  /// S over all rows, kept before every second; the queries' gradients.
  __device__ __forceinline__ void channels(Tile& S) const {
#pragma unroll 1
    for (int r = 0; r < count * micro; ++r) {
      if (states && r % 2 == 0) S.keep(w.history + r / 2 * Tile::numbers);
      if (before && begins(r)) query_gradients(S, r);
      advance(S, r);
      if (!before && ends(r)) query_gradients(S, r);
    }
  }
  /// dS back, with gradients of all vectors that channels have, each in its vector's place.
  __device__ __forceinline__ void channels_back(Tile& dS) const {
#pragma unroll 1
    for (int r = count * micro - 1; r >= 0; --r) {
      if (!before && ends(r)) reads_of_channels(dS, r);
      if constexpr (states) {
        Tile T;
        T.take(w.history + r / 2 * Tile::numbers);
        if (r % 2) advance(T, r - 1);
        float g[outers], row[outers];
        if constexpr (corrects) Tile::outer_of(w.o.row + r * ln, row);
        decays_outside(r, g);
        __syncwarp();
        if constexpr (undecayed) put_product(T, w.dX, R(1), r, w.d.row);
        scale_outside(T, r, g);
        put_writes(dS, r);
        if constexpr (corrects && !undecayed) {
          put_product(T, w.dX, R(1), r, w.d.row);
          add_values(dS, row, w.dX, r);
        }
        if constexpr (O::has_decays) {
          if (begins(r)) {
            float dg[outers];
            T.dot(dS, dg);
            Tile::put_sums((O::channel ? w.d.g : w.decays) + r * ln, dg);
          }
        }
        scale_outside(dS, r, g);
        if constexpr (undecayed) add_values(dS, row, w.dX, r);
      } else {
        put_writes(dS, r);
      }
      if (before && begins(r)) reads_of_channels(dS, r);
    }
  }

 private:
  __device__ __forceinline__ void decay_channels_inside(Tile& S, int r) const {
    if constexpr (O::has_decays) {
      if (!begins(r)) return;
      float g[inners];
      if constexpr (O::channel) {
        Tile::inner_of(w.o.g + r * ln, g);
      } else {
#pragma unroll
        for (int j = 0; j < inners; ++j) g[j] = w.o.g[r];
      }
      S.scale_inner(g);
    }
  }
  __device__ __forceinline__ void decays_outside(int r, float (&g)[outers]) const {
    if constexpr (O::has_decays && O::channel) {
      Tile::outer_of(w.o.g + r * ln, g);
    } else if constexpr (O::has_decays) {
#pragma unroll
      for (int u = 0; u < outers; ++u) g[u] = w.o.g[r];
    }
  }
  __device__ __forceinline__ void scale_outside(Tile& S, int r, const float (&g)[outers]) const {
    if constexpr (O::has_decays) {
      if (begins(r)) S.scale_outer(g);
    }
  }
  /// Row r by channels.
  __device__ __forceinline__ void advance(Tile& S, int r) const {
    float c[outers];
    decays_outside(r, c);
    scale_outside(S, r, c);
    Tile::outer_of(w.o.K + r * ln, c);
    add_values(S, c, w.W, r);
    if constexpr (untied) {
      const R s = w.o.s[r];
      Tile::outer_of(w.o.col + r * ln, c);
#pragma unroll
      for (int u = 0; u < outers; ++u) c[u] *= s;
      add_values(S, c, w.X_, r);
    }
  }
  __device__ __forceinline__ static void add_values(Tile& S, const float (&column)[outers], const R* values, int r) {
    float v[inners];
    Tile::inner_of(values + r * ln, v);
    S.add(column, v);
  }
  __device__ __forceinline__ void put_writes(const Tile& dS, int r) const {
    put_product(dS, w.W, R(1), r, w.d.K);
    if constexpr (untied) put_product(dS, w.X_, w.o.s[r], r, w.d.col);
  }
  /// Row r of `out` = f S times row r of values.
  __device__ __forceinline__ void put_product(const Tile& S, const R* values, R f, int r, R* out) const {
    float v[inners], sum[outers];
    Tile::inner_of(values + r * ln, v);
    S.dot(v, sum);
#pragma unroll
    for (int u = 0; u < outers; ++u) sum[u] *= f;
    Tile::put_sums(out + r * ln, sum);
  }
  __device__ __forceinline__ void numerators(const Tile& S, int r) const {
    if constexpr (Block::numerators) {
#pragma unroll 1
      for (int k = 0; k < w.readers; ++k) {
        const auto reader = w.reader(k);
        float q[inners], y[outers];
        Tile::inner_of(reader.Q + r * ln, q);
        S.dot(q, y);
        Tile::put_sums(reader.Y + r / micro * ln, y);
      }
    }
  }
  __device__ __forceinline__ void query_gradients(const Tile& S, int r) const {
#pragma unroll 1
    for (int k = 0; k < w.readers; ++k) {
      const auto reader = w.reader(k);
      float y[inners], sum[outers];
      Tile::inner_of(reader.dY + r / micro * ln, y);
      S.dot(y, sum);
      Tile::put_sums(reader.dQ + r * ln, sum);
    }
  }
  __device__ __forceinline__ void reads_of_columns(Tile& dS, int r) const {
#pragma unroll 1
    for (int k = 0; k < w.readers; ++k) {
      const auto reader = w.reader(k);
      float q[inners], y[outers];
      Tile::inner_of(reader.Q + r * ln, q);
      Tile::outer_of(reader.dY + r / micro * ln, y);
      dS.add(y, q);
    }
  }
  __device__ __forceinline__ void reads_of_channels(Tile& dS, int r) const {
#pragma unroll 1
    for (int k = 0; k < w.readers; ++k) {
      const auto reader = w.reader(k);
      float q[outers], y[inners];
      Tile::outer_of(reader.Q + r * ln, q);
      Tile::inner_of(reader.dY + r / micro * ln, y);
      dS.add(q, y);
    }
  }
};

}  // namespace coefdyn::cuda::small
