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
  R *D = nullptr, *reach = nullptr;  // scalar: (rows, rows), D_ij = e^(g_{j+1} + .. + g_i), 0 above; (rows)
  R *prefix = nullptr, *before = nullptr, *suffix = nullptr,
    *all = nullptr;  // (rows, 1 or n): e^(g_0..g_i), e^(g_0..g_{i-1}), e^(g_{i+1}..); all: (1 or n)
  R *anchored = nullptr, *factor = nullptr, *left = nullptr, *logs = nullptr;  // channel scratch: (rows, n), (rows, n), (3, block, n), (n)
  R* product = nullptr;                                                        // (rows, n)
  R* wide = nullptr;                                                           // (n): the whole chunk's decay of every channel

  gates() = default;
  gates(arena& a, int rows_, int n_, const products<R>& p) : px(&p), rows(rows_), n(n_) {
    const idx w = O::channel ? n : 1;
    if (!O::has_gates) return;
    before = a.take<R>((rows + 1) * w), prefix = before ? before + w : nullptr, suffix = a.take<R>(rows * w), all = a.take<R>(w),
    logs = a.take<R>(w), wide = a.take<R>(n);
    if (O::channel)
      anchored = a.take<R>(idx(rows) * n), factor = a.take<R>(idx(rows) * n), left = a.take<R>(3 * idx(block) * n),
      product = a.take<R>(idx(rows) * n);
    else D = a.take<R>(idx(rows) * rows), reach = a.take<R>(rows);
  }

  void prepare(const O& o) {
    rows = o.rows;
    if constexpr (O::has_gates) {
      const int w = o.gate_width();
      clear(before, w);
      for (int r = 0; r < rows; ++r) {
        const R *g = o.g + idx(r) * w, *b = before + idx(r) * w;
        R* sum = r + 1 < rows ? before + idx(r + 1) * w : all;
        by_channel(w, sum, [&](int c) { return b[c] + g[c]; });
      }
      clear(suffix + idx(rows - 1) * w, w);
      for (int r = rows - 1; r > 0; --r) {
        const R *g = o.g + idx(r) * w, *s = suffix + idx(r) * w;
        by_channel(w, suffix + idx(r - 1) * w, [&](int c) { return s[c] + g[c]; });
      }
      px->exp(idx(rows) * w, before, before), px->exp(idx(rows) * w, suffix, suffix), px->exp(w, all, all);
      copy(w, all, prefix + idx(rows - 1) * w);  // prefix is before, one row later
      if constexpr (!O::channel) {
        fill(n, all[0], wide);
        square(o);
      }
    }
  }

  /// Y = X with each row weighted by the decays from the chunk's start (what a row operand sees), or to its end.
  void from_start(seen how, const R* X, R* Y) const { weight(how == seen::inclusive ? prefix : before, X, Y); }
  void to_end(const R* X, R* Y) const { weight(suffix, X, Y); }
  /// The same in `scratch`, or X itself where nothing decays.
  const R* seen_from_start(seen how, const R* X, R* scratch) const {
    if (!O::has_gates) return X;
    from_start(how, X, scratch);
    return scratch;
  }
  const R* seen_to_end(const R* X, R* scratch) const {
    if (!O::has_gates) return X;
    to_end(X, scratch);
    return scratch;
  }
  /// S (n, e) times the decay of the whole chunk.
  void whole(int e, R* S) const {
    if constexpr (O::has_gates) px->scale_rows(n, e, O::channel ? all : wide, S, e, S, e);
  }

  /// G_ij = sum_c A_ic B_jc e^(decay between), for j <= i (inclusive) or j < i (exclusive, decay up to row i - 1); 0 elsewhere.
  void gram(const O& o, seen how, const R* A, const R* B, R* G) {
    clear(G, idx(rows) * rows);
    const int skip = how == seen::exclusive ? 1 : 0;
    if (rows <= skip) return;
    R* out = G + skip * idx(rows);
    const R* a = A + skip * idx(n);
    if constexpr (!O::channel) {
      px->nt_lower(rows - skip, n, a, n, B, n, out, rows);
      if constexpr (O::has_gates) px->multiply(rows - skip, rows, D, rows, out, rows, out, rows);
      else clear_above(rows, skip == 1, G);
    } else {
      for_each_block(o, how, A, B,
                     [&](int i0, int m, const R* left_rows) { px->nt(m, i0, n, left_rows, n, anchored, n, G + idx(i0) * rows, rows); });
      for (int i0 = 0; i0 < rows; i0 += block) {
        const int m = (rows - i0 < block ? rows - i0 : block) - skip;
        px->decayed_gram_lower(m, n, A + idx(i0 + skip) * n, n, B + idx(i0) * n, n, o.g + idx(i0) * n, n, G + idx(i0 + skip) * rows + i0,
                               rows);
      }
    }
  }
  /// dA, dB += from dG, which is 0 where G is.
  void gram_backward(const O& o, seen how, const R* A, const R* B, R* dG, R* dA, R* dB, [[maybe_unused]] R* dg = nullptr) {
    const int skip = how == seen::exclusive ? 1 : 0;
    if (rows <= skip) return;
    if constexpr (!O::channel) {
      R* d = dG + skip * idx(rows);
      if constexpr (O::has_gates) px->multiply(rows - skip, rows, D, rows, d, rows, d, rows);
      px->nn_lower_left(rows - skip, n, d, rows, B, n, dA + skip * idx(n), n);
      px->tn_lower_left(rows - skip, n, d, rows, A + skip * idx(n), n, dB, n);
    } else {
      for_each_block(o, how, A, B, [&](int i0, int m, const R* left_rows) {
        const R* d = dG + idx(i0) * rows;
        clear(product, idx(i0) * n);  // dB_j += factor_j o sum_i dG_ij left_i
        px->tn(i0, n, m, d, rows, left_rows, n, product, n);
        px->multiply_add(i0, n, factor, n, product, n, dB, n);
        if (dg) add_columns(i0, anchored, product, dg);
        const R* w = prefix_in_block(o, i0, m, skip);
        clear(product, idx(m) * n);
        px->nn(m, n, i0, d, rows, anchored, n, product, n);
        px->multiply(m, n, w, n, product, n, product, n);
        px->add(m, n, product, n, dA + idx(i0) * n, n);
        if (dg) add_rows(m - skip, A + idx(i0 + skip) * n, product + skip * idx(n), dg + idx(i0) * n);
      });
      for (int i0 = 0; i0 < rows; i0 += block) {
        const int m = (rows - i0 < block ? rows - i0 : block) - skip;
        const idx at = idx(i0) * n, from = at + skip * idx(n);
        block_backward(m, A + from, B + at, o.g + at, dG + idx(i0 + skip) * rows + i0, dA + from, dB + at, dg ? dg + at : nullptr);
      }
    }
  }

 private:
  void weight(const R* w, const R* X, R* Y) const {
    if constexpr (!O::has_gates) {
      if (X != Y) copy(idx(rows) * n, X, Y);
    } else if constexpr (O::channel) {
      px->multiply(rows, n, w, n, X, n, Y, n);
    } else {
      px->scale_rows(rows, n, w, X, n, Y, n);
    }
  }
  // A block of at most `block` rows, by the squares of decayed_gram_lower: below the diagonal, with rows from `mid` on and the
  // h columns before it, the weights are e^(g_mid + .. + g_i) e^(g_{j+1} + .. + g_{mid-1}); no exponent is positive.
  void block_backward(int m, const R* A, const R* B, const R* g, const R* d, R* dA, R* dB, R* dg) {
    R *f = left, *x = left + idx(block) * n, *dx = x + idx(block) * n;  // of this level: weights, weighted rows, their gradients
    for (int i = 0; i < m; ++i) {
      const R *a = A + idx(i) * n, *b = B + idx(i) * n, own = d[i * (rows + 1)];
      R *da = dA + idx(i) * n, *db = dB + idx(i) * n;
      by_channel(n, da, [&](int c) { return da[c] + own * b[c]; });
      by_channel(n, db, [&](int c) { return db[c] + own * a[c]; });
    }
    for (int h = 1; h < m; h *= 2) {
      const auto is_left = [&](int i) { return i / h % 2 == 1; };
      for (int i = 0; i < m; ++i) {
        R* to = f + idx(i) * n;
        if (is_left(i)) {
          const R *last = to - n, *now = g + idx(i) * n;
          if (i % h == 0) copy(n, now, to);
          else by_channel(n, to, [&](int c) { return last[c] + now[c]; });
        }
      }
      for (int j = m - 1; j >= 0; --j) {
        R* to = f + idx(j) * n;
        if (is_left(j)) continue;
        const R *after = to + n, *next = g + idx(j + 1) * n;
        if (j % h == h - 1 || j + 1 == m) clear(to, n);
        else by_channel(n, to, [&](int c) { return after[c] + next[c]; });
      }
      px->exp(idx(m) * n, f, f);
      clear(dx, idx(m) * n);
      for (int i = 0; i < m; ++i) px->multiply(1, n, f + idx(i) * n, n, (is_left(i) ? A : B) + idx(i) * n, n, x + idx(i) * n, n);
      for (int mid = h; mid < m; mid += 2 * h) {
        const int below = m - mid < h ? m - mid : h;
        const R* square = d + idx(mid) * rows + mid - h;
        px->nn(below, n, h, square, rows, x + idx(mid - h) * n, n, dx + idx(mid) * n, n);
        px->tn(h, n, below, square, rows, x + idx(mid) * n, n, dx + idx(mid - h) * n, n);
        if (!dg) continue;
        add_rows(below, x + idx(mid) * n, dx + idx(mid) * n, dg + idx(mid) * n);
        add_columns(h, x + idx(mid - h) * n, dx + idx(mid - h) * n, dg + idx(mid - h) * n);
      }
      for (int i = 0; i < m; ++i) px->multiply_add(1, n, f + idx(i) * n, n, dx + idx(i) * n, n, (is_left(i) ? dA : dB) + idx(i) * n, n);
    }
  }
  // Gates that a pair (i, j) passes, j < t <= i, from the side of the rows: dg_t += sum_{i >= t} x_i o dx_i
  void add_rows(int m, const R* x, const R* dx, R* dg) {
    clear(logs, n);
    for (int i = m - 1; i >= 0; --i) {
      px->multiply_add(1, n, x + idx(i) * n, n, dx + idx(i) * n, n, logs, n);
      px->add(1, n, logs, n, dg + idx(i) * n, n);
    }
  }
  // and of the columns: dg_t += sum_{j < t} x_j o dx_j
  void add_columns(int m, const R* x, const R* dx, R* dg) {
    clear(logs, n);
    for (int j = 0; j + 1 < m; ++j) {
      px->multiply_add(1, n, x + idx(j) * n, n, dx + idx(j) * n, n, logs, n);
      px->add(1, n, logs, n, dg + idx(j + 1) * n, n);
    }
  }
  static void fill(int count, R value, R* p) {
    by_channel(count, p, [&](int) { return value; });
  }
  // D: within a block of rows e^(sums of the gates), before it those of the block's start times what reached that
  void square(const O& o) {
    clear(D, idx(rows) * rows);
    for (int i0 = 0; i0 < rows; i0 += block) {
      const int m = rows - i0 < block ? rows - i0 : block;
      R E[block * block];
      for (int i = 0; i < m; ++i) {
        R* e = E + i * block;
        const R g = o.g[i0 + i], *above = e - block;
        by_channel(block, e, [&](int j) { return j < i ? above[j] + g : R(0); });
      }
      px->exp(m * block, E, E);
      const R first = math::exp(o.g[i0]);
      for (int i = 0; i < m; ++i) {
        R* d = D + idx(i0 + i) * rows;
        const R start = E[i * block] * first;
        by_channel(i0, d, [&](int j) { return start * reach[j]; });
        copy(i + 1, E + i * block, d + i0);
      }
      const R* last = E + (m - 1) * block;
      const R through = last[0] * first;
      by_channel(i0, reach, [&](int j) { return through * reach[j]; });
      copy(m, last, reach + i0);
    }
  }
  // e^(decays within a block) of each row, into `left`'s place as weights
  R* prefix_in_block(const O& o, int i0, int m, int skip) {
    const R* g = o.g + idx(i0) * n;
    if (skip) clear(left, n);
    else copy(n, g, left);
    for (int i = 1; i < m; ++i) {
      const R *last = left + idx(i - 1) * n, *now = g + idx(i - skip) * n;
      by_channel(n, left + idx(i) * n, [&](int c) { return last[c] + now[c]; });
    }
    px->exp(idx(m) * n, left, left);
    return left;
  }
  // For each block after the first: `anchored` = rows of B before it, decayed to its start; rows of A from its start.
  template <class F>
  void for_each_block(const O& o, seen how, const R* A, const R* B, F body) {
    for (int i0 = block; i0 < rows; i0 += block) {
      const int last = i0 - block, m = rows - i0 < block ? rows - i0 : block;
      clear(factor + idx(i0 - 1) * n, n);
      for (int j = i0 - 1; j >= last; --j) {
        const R *g = o.g + idx(j) * n, *f = factor + idx(j) * n;
        by_channel(n, j > last ? factor + idx(j - 1) * n : logs, [&](int c) { return f[c] + g[c]; });
      }
      px->exp(idx(block) * n, factor + idx(last) * n, factor + idx(last) * n);
      px->exp(n, logs, logs);
      if (last > 0) px->multiply(last, n, logs, 0, factor, n, factor, n);
      px->multiply(i0, n, factor, n, B, n, anchored, n);
      prefix_in_block(o, i0, m, how == seen::exclusive);
      px->multiply(m, n, left, n, A + idx(i0) * n, n, left, n);
      body(i0, m, left);
    }
  }
};

}  // namespace coefdyn::cpu
