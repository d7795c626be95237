// SPDX-License-Identifier: MIT
#pragma once
#include "lower.hpp"
#include "products.hpp"

/// Decays within a chunk, and the Gram matrices they weight. Every exponent is a sum of log decays taken directly over its
/// range (prefix, suffix, or the tokens between), never a difference of cumulative sums: it cannot be positive, and log decays
/// of any size mix without loss (KERNELS: sums of gates restart).
namespace coefdyn::cpu {

/// Which rows of decay a row operand has seen: its own too, or only those before it.
enum class seen { inclusive, exclusive };

template <class M, class R>
struct gates {
  using O = operands<M, R>;
  static constexpr int block = 16;  // rows that a channel-gated Gram matrix treats element by element
  const products<R>* px = nullptr;
  int rows = 0, n = 0;
  R *D = nullptr;                                                      // scalar: (rows, rows), D_ij = e^(g_{j+1} + .. + g_i), 0 above
  R *prefix = nullptr, *before = nullptr, *suffix = nullptr, *all = nullptr;  // (rows, 1 or n): e^(g_0..g_i), e^(g_0..g_{i-1}), e^(g_{i+1}..); all: (1 or n)
  R *anchored = nullptr, *factor = nullptr, *left = nullptr, *logs = nullptr;  // channel scratch: (rows, n), (rows, n), (block, n), (n)

  gates() = default;
  gates(arena& a, int rows_, int n_, const products<R>& p) : px(&p), rows(rows_), n(n_) {
    const idx w = O::channel ? n : 1;
    if (!O::has_gates) return;
    prefix = a.take<R>(rows * w), before = a.take<R>(rows * w), suffix = a.take<R>(rows * w), all = a.take<R>(w), logs = a.take<R>(w);
    if (O::channel) anchored = a.take<R>(idx(rows) * n), factor = a.take<R>(idx(rows) * n), left = a.take<R>(idx(block) * n);
    else D = a.take<R>(idx(rows) * rows);
  }

  void prepare(const O& o) {
    rows = o.rows;
    if constexpr (O::has_gates) {
      const int w = o.gate_width();
      for (int c = 0; c < w; ++c) logs[c] = R(0);
      for (int r = 0; r < rows; ++r)
        for (int c = 0; c < w; ++c) {
          before[r * w + c] = logs[c];
          prefix[r * w + c] = logs[c] += o.g[r * w + c];
        }
      for (int c = 0; c < w; ++c) all[c] = logs[c], logs[c] = R(0);
      for (int r = rows - 1; r >= 0; --r)
        for (int c = 0; c < w; ++c) {
          suffix[r * w + c] = logs[c];
          logs[c] += o.g[r * w + c];
        }
      for (R* p : {prefix, before, suffix}) px->exp(idx(rows) * w, p, p);
      px->exp(w, all, all);
      if constexpr (!O::channel) {
        for (int i = 0; i < rows; ++i) {
          R* d = D + idx(i) * rows;
          for (int j = 0; j < i; ++j) d[j] = (j < i - 1 ? D[idx(i - 1) * rows + j] : R(0)) + o.g[i];
          d[i] = R(0);
        }
        for (int i = 0; i < rows; ++i) {
          R* d = D + idx(i) * rows;
          px->exp(i + 1, d, d);
          for (int j = i + 1; j < rows; ++j) d[j] = R(0);
        }
      }
    }
  }

  /// Y = X with each row weighted by the decays from the chunk's start (what a row operand sees), or to its end.
  void from_start(seen how, const R* X, R* Y) const { weight(how == seen::inclusive ? prefix : before, X, Y); }
  void to_end(const R* X, R* Y) const { weight(suffix, X, Y); }
  /// S (n, e) times the decay of the whole chunk.
  void whole(int e, R* S) const {
    if constexpr (!O::has_gates) return;
    else
      for (int c = 0; c < n; ++c) {
        const R f = all[O::channel ? c : 0];
        for (int v = 0; v < e; ++v) S[idx(c) * e + v] = f * S[idx(c) * e + v];
      }
  }

  /// G_ij = sum_c A_ic B_jc e^(decay between), for j <= i (inclusive) or j < i (exclusive, decay up to row i - 1); 0 elsewhere.
  void gram(const O& o, seen how, const R* A, const R* B, R* G) {
    for (idx i = 0; i < idx(rows) * rows; ++i) G[i] = R(0);
    const int skip = how == seen::exclusive ? 1 : 0;
    if (rows <= skip) return;
    R* out = G + skip * idx(rows);
    const R* a = A + skip * idx(n);
    if constexpr (!O::channel) {
      px->nt_lower(rows - skip, n, a, n, B, n, out, rows);
      if constexpr (O::has_gates) px->multiply(rows - skip, rows, D, rows, out, rows, out, rows);
      else clear_above(G, skip);
    } else {
      for_each_block(o, how, A, B, [&](int i0, int m, const R* left_rows) {
        px->nt(m, i0, n, left_rows, n, anchored, n, G + idx(i0) * rows, rows);
      });
      for (int i0 = 0; i0 < rows; i0 += block) {
        const int m = (rows - i0 < block ? rows - i0 : block) - skip;
        px->decayed_gram_lower(m, n, A + idx(i0 + skip) * n, n, B + idx(i0) * n, n, o.g + idx(i0) * n, n, G + idx(i0 + skip) * rows + i0, rows);
      }
    }
  }
  /// dA, dB += from dG, which is 0 where G is.
  void gram_backward(const O& o, seen how, const R* A, const R* B, R* dG, R* dA, R* dB) {
    const int skip = how == seen::exclusive ? 1 : 0;
    if (rows <= skip) return;
    if constexpr (!O::channel) {
      R* d = dG + skip * idx(rows);
      if constexpr (O::has_gates) px->multiply(rows - skip, rows, D, rows, d, rows, d, rows);
      px->nn_lower_left(rows - skip, n, d, rows, B, n, dA + skip * idx(n), n);
      px->tn_lower_left(rows - skip, n, d, rows, A + skip * idx(n), n, dB, n);
    } else {
      for_each_block(o, how, A, B, [&](int i0, int m, const R* left_rows) {
        R* d = dG + idx(i0) * rows;
        for (int j = 0; j < i0; ++j)  // dB_j += factor_j o sum_i dG_ij left_i
          for (int c = 0; c < n; ++c) {
            R t(0);
            for (int i = 0; i < m; ++i) t += d[idx(i) * rows + j] * left_rows[idx(i) * n + c];
            dB[idx(j) * n + c] += factor[idx(j) * n + c] * t;
          }
        const R* w = how == seen::inclusive ? prefix_in_block(o, i0, m, 0) : prefix_in_block(o, i0, m, 1);
        for (int i = 0; i < m; ++i)
          for (int c = 0; c < n; ++c) {
            R t(0);
            for (int j = 0; j < i0; ++j) t += d[idx(i) * rows + j] * anchored[idx(j) * n + c];
            dA[idx(i0 + i) * n + c] += w[idx(i) * n + c] * t;
          }
      });
      for (int i0 = 0; i0 < rows; i0 += block) {
        const int m = rows - i0 < block ? rows - i0 : block;
        for (int j = i0; j < i0 + m; ++j) {
          for (int c = 0; c < n; ++c) logs[c] = R(0);
          for (int i = j + skip; i < i0 + m; ++i) {
            if (i - skip > j)
              for (int c = 0; c < n; ++c) logs[c] += o.g[idx(i - skip) * n + c];
            const R d = dG[idx(i) * rows + j];
            for (int c = 0; c < n; ++c) {
              const R f = d * math::exp(logs[c]);
              dA[idx(i) * n + c] += f * B[idx(j) * n + c];
              dB[idx(j) * n + c] += f * A[idx(i) * n + c];
            }
          }
        }
      }
    }
  }

 private:
  void weight(const R* w, const R* X, R* Y) const {
    if constexpr (!O::has_gates) {
      for (idx i = 0; i < idx(rows) * n; ++i) Y[i] = X[i];
    } else if constexpr (O::channel) {
      px->multiply(rows, n, w, n, X, n, Y, n);
    } else {
      px->scale_rows(rows, n, w, X, n, Y, n);
    }
  }
  void clear_above(R* G, int skip) const {
    for (int i = 0; i < rows; ++i)
      for (int j = i + 1 - skip; j < rows; ++j) G[idx(i) * rows + j] = R(0);
  }
  // e^(decays within a block) of each row, into `left`'s place as weights
  R* prefix_in_block(const O& o, int i0, int m, int skip) {
    for (int c = 0; c < n; ++c) logs[c] = R(0);
    for (int i = 0; i < m; ++i)
      for (int c = 0; c < n; ++c) {
        const R inclusive = logs[c] + o.g[idx(i0 + i) * n + c];
        left[idx(i) * n + c] = skip ? logs[c] : inclusive;
        logs[c] = inclusive;
      }
    px->exp(idx(m) * n, left, left);
    return left;
  }
  // For each block after the first: `anchored` = rows of B before it, decayed to its start; rows of A from its start.
  template <class F>
  void for_each_block(const O& o, seen how, const R* A, const R* B, F body) {
    for (int i0 = block; i0 < rows; i0 += block) {
      const int last = i0 - block, m = rows - i0 < block ? rows - i0 : block;
      for (int c = 0; c < n; ++c) logs[c] = R(0);
      for (int j = i0 - 1; j >= last; --j)
        for (int c = 0; c < n; ++c) {
          factor[idx(j) * n + c] = logs[c];
          logs[c] += o.g[idx(j) * n + c];
        }
      px->exp(idx(block) * n, factor + idx(last) * n, factor + idx(last) * n);
      px->exp(n, logs, logs);
      for (int j = 0; j < last; ++j)
        for (int c = 0; c < n; ++c) factor[idx(j) * n + c] = factor[idx(j) * n + c] * logs[c];
      px->multiply(i0, n, factor, n, B, n, anchored, n);
      prefix_in_block(o, i0, m, how == seen::exclusive);
      px->multiply(m, n, left, n, A + idx(i0) * n, n, left, n);
      body(i0, m, left);
    }
  }
};

}  // namespace coefdyn::cpu
