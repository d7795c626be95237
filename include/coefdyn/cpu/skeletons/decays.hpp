// SPDX-License-Identifier: MIT
#pragma once
#include "../products/products.hpp"
#include "operands.hpp"

/// Decays within a chunk, and the Gram matrices they weight. Every weight is e^(a sum of log decays taken directly over its range),
/// or a product of such: of the rows of one block, and of what lies before or after it. There are no differences of cumulative
/// sums, so no exponent is positive, and log decays of any size mix without loss.
namespace coefdyn::cpu::skeletons {

/// The decays of one chunk's rows.
template <skeleton Kind, class R>
struct decays_of {
  using O = operands<Kind, R>;
  static constexpr int block = 16;  // rows that a Gram matrix treats element by element
  const products<R>* machine = nullptr;
  int rows = 0, n = 0;
  // one decay a row
  R* D = nullptr;      // rows x rows: D_ij = e^(g_{j+1} + .. + g_i) for j <= i, 0 above
  R* reach = nullptr;  // rows: scratch of D
  // rows x 1, or by channel rows x n
  R* prefix = nullptr;       // decay from the chunk's start, row i included
  R* before = nullptr;       // the same without row i
  R* suffix = nullptr;       // decay from behind row i to the chunk's end
  R* all = nullptr;          // 1 or n: of the whole chunk
  R* whole_decay = nullptr;  // n: the same for every channel; by channel: ones
  // by channel
  R* each = nullptr;          // rows x n: e^g
  R* in_block = nullptr;      // rows x n: decay from the block's start to row i
  R* to_block_end = nullptr;  // rows x n: decay from behind row i to the block's end
  R* to_block = nullptr;      // (blocks + 1) x n: decay before each block
  R* from_block = nullptr;    // blocks x n: decay behind each block
  R* anchored = nullptr;      // rows x n: rows of B decayed to a block's start
  R* factor = nullptr;        // rows x n: by what
  R* product = nullptr;       // rows x n: scratch
  R* left = nullptr;          // block x n: rows of A decayed from their block's start

  decays_of() = default;
  decays_of(arena& a, int rows_, int n_, const products<R>& p) : machine(&p), rows(rows_), n(n_) {
    const idx w = O::channel ? n : 1;
    if (!O::has_decays) return;
    before = a.take<R>((rows + 1) * w), prefix = before ? before + w : nullptr, suffix = a.take<R>(rows * w), whole_decay = a.take<R>(n);
    if (O::channel)
      each = a.take<R>(idx(rows) * n), anchored = a.take<R>(idx(rows) * n), factor = a.take<R>(idx(rows) * n),
      product = a.take<R>(idx(rows) * n), in_block = a.take<R>(idx(rows) * n), to_block_end = a.take<R>(idx(rows) * n),
      to_block = a.take<R>(idx(blocks() + 1) * n), from_block = a.take<R>(idx(blocks()) * n), left = a.take<R>(idx(block) * n);
    else D = a.take<R>(idx(rows) * rows), reach = a.take<R>(rows), all = a.take<R>(1);
  }

  /// `pairs`: also for what rows see of the chunk and of its start; else only for the writes' way to its end.
  [[gnu::noinline]] void prepare(const O& o, bool pairs = true) {
    rows = o.rows;
    if constexpr (O::channel) {
      fill(whole_decay, n, R(1));
      pass_blocks(o);
      machine->exp(idx(rows) * n, o.g, each);
      all = to_block + idx(blocks()) * n;
      if (pairs) copy(whole_decay, n, before);
      for (int b = 0; b < blocks(); ++b) {
        const int m = rows_at(b * block);
        const idx first = idx(b) * block * n, last = first + idx(m - 1) * n;
        copy(whole_decay, n, to_block_end + last);  // products run from row to row
        machine->multiply(m - 1, n, each + last, -n, to_block_end + last, -n, to_block_end + last - n, -n);
        machine->multiply(m, n, from_block + idx(b) * n, 0, to_block_end + first, n, suffix + first, n);
        if (!pairs) continue;
        copy(each + first, n, in_block + first);
        machine->multiply(m - 1, n, each + first + n, n, in_block + first, n, in_block + first + n, n);
        machine->multiply(m, n, to_block + idx(b) * n, 0, in_block + first, n, prefix + first, n);
      }
    } else if constexpr (O::has_decays) {
      before[0] = R(0), suffix[rows - 1] = R(0);
      for (int r = 0; r < rows; ++r) prefix[r] = before[r] + o.g[r];  // prefix is before, one row later
      for (int r = rows - 1; r > 0; --r) suffix[r - 1] = suffix[r] + o.g[r];
      machine->exp(rows, suffix, suffix), machine->exp(1, prefix + rows - 1, all);
      fill(whole_decay, n, all[0]);
      if (!pairs) return;
      machine->exp(rows + 1, before, before);
      run_on(machine->where(), [&] { square(o); });
    }
  }

  /// Y = X with each row weighted by the decays from the chunk's start (what a row operand sees), or to its end.
  void from_start(up_to how, const R* X, R* Y) const { weight(how == up_to::own_row ? prefix : before, X, Y); }
  void to_end(const R* X, R* Y) const { weight(suffix, X, Y); }
  /// The same in `scratch`, or X itself where nothing decays.
  const R* decayed_from_start(up_to how, const R* X, R* scratch) const {
    if (!O::has_decays) return X;
    from_start(how, X, scratch);
    return scratch;
  }
  const R* decayed_to_end(const R* X, R* scratch) const {
    if (!O::has_decays) return X;
    to_end(X, scratch);
    return scratch;
  }
  /// S (n, e) times the decay of the whole chunk.
  void whole(int e, R* S) const {
    if constexpr (O::has_decays) machine->scale_rows(n, e, O::channel ? all : whole_decay, S, e, S, e);
  }

  /// G_ij = sum_c A_ic B_jc e^(decay between), for j <= i (own_row) or j < i (row_before, decay up to row i - 1); 0 elsewhere.
  [[gnu::noinline]] void gram(up_to how, const R* A, const R* B, R* G) {
    clear(G, idx(rows) * rows);
    const int skip = how == up_to::row_before ? 1 : 0;
    if (rows <= skip) return;
    R* out = G + skip * idx(rows);
    const R* a = A + skip * idx(n);
    if constexpr (!O::channel) {
      machine->nt_lower(rows - skip, n, a, n, B, n, out, rows);
      if constexpr (O::has_decays) machine->multiply(rows - skip, rows, D, rows, out, rows, out, rows);
      else clear_above(rows, skip == 1, G);
    } else {
      for_each_block(how, A, B, [&](int i0, int m, const R* left_rows) {
        machine->nt(m, i0, n, left_rows, n, anchored, n, G + idx(i0) * rows, rows);
      });
      for (int i0 = 0; i0 < rows; i0 += block) {
        const int m = rows_at(i0) - skip;
        machine->decayed_gram_lower(m, n, A + idx(i0 + skip) * n, n, B + idx(i0) * n, n, each + idx(i0) * n, n,
                                    G + idx(i0 + skip) * rows + i0, rows);
      }
    }
  }
  /// dA, dB += from dG, which is 0 where G is.
  [[gnu::noinline]] void gram_backward(up_to how, const R* A, const R* B, R* dG, R* dA, R* dB, [[maybe_unused]] R* dg = nullptr) {
    const int skip = how == up_to::row_before ? 1 : 0;
    if (rows <= skip) return;
    if constexpr (!O::channel) {
      R* d = dG + skip * idx(rows);
      if constexpr (O::has_decays) machine->multiply(rows - skip, rows, D, rows, d, rows, d, rows);
      machine->nn_lower_left(rows - skip, n, d, rows, B, n, dA + skip * idx(n), n);
      machine->tn_lower_left(rows - skip, n, d, rows, A + skip * idx(n), n, dB, n);
    } else {
      for_each_block(how, A, B, [&](int i0, int m, const R* left_rows) {
        const R* d = dG + idx(i0) * rows;
        clear(product, idx(i0) * n);  // dB_j += factor_j o sum_i dG_ij left_i
        machine->tn(i0, n, m, d, rows, left_rows, n, product, n);
        machine->multiply_add(i0, n, factor, n, product, n, dB, n);
        if (dg) machine->running_dots(i0 - 1, n, anchored, n, product, n, dg + n, n);  // a decay is passed by the columns before it
        clear(product, idx(m) * n);
        machine->nn(m, n, i0, d, rows, anchored, n, product, n);
        weight_in_block(how, i0, m, product, product);
        machine->add(m, n, product, n, dA + idx(i0) * n, n);
        const idx last = idx(i0 + m - 1) * n;  // and by the rows from its own on
        if (dg) machine->running_dots(m - skip, n, A + last, -n, product + idx(m - 1) * n, -n, dg + last - skip * idx(n), -n);
      });
      for (int i0 = 0; i0 < rows; i0 += block) {
        const int m = rows_at(i0) - skip;
        const idx at = idx(i0) * n, from = at + skip * idx(n);
        machine->decayed_gram_backward(m, n,
                                       {.a = A + from,
                                        .b = B + at,
                                        .f = each + at,
                                        .ld = n,
                                        .d = dG + idx(i0 + skip) * rows + i0,
                                        .ldd = rows,
                                        .da = dA + from,
                                        .db = dB + at,
                                        .dlog = dg ? dg + at : nullptr});
      }
    }
  }

 private:
  void weight(const R* w, const R* X, R* Y) const {
    if constexpr (!O::has_decays) {
      if (X != Y) copy(X, idx(rows) * n, Y);
    } else if constexpr (O::channel) {
      machine->multiply(rows, n, w, n, X, n, Y, n);
    } else {
      machine->scale_rows(rows, n, w, X, n, Y, n);
    }
  }
  static void fill(R* p, int count, R value) {
    by_channel(count, p, [&](int) { return value; });
  }
  int blocks() const { return (rows + block - 1) / block; }
  int rows_at(int i0) const { return rows - i0 < block ? rows - i0 : block; }  // of the block that starts there
  // to_block, from_block: e^(sums of all log decays before and after each block)
  void pass_blocks(const O& o) {
    const int last = blocks() - 1;
    clear(to_block, n), clear(from_block + idx(last) * n, n);
    const auto add_block = [&](int b, const R* sums, R* more) {
      copy(sums, n, more);
      machine->col_dots(rows_at(b * block), n, o.g + idx(b) * block * n, n, whole_decay, 0, more);
    };
    for (int b = 0; b <= last; ++b) add_block(b, to_block + idx(b) * n, to_block + idx(b + 1) * n);
    for (int b = last; b > 0; --b) add_block(b, from_block + idx(b) * n, from_block + idx(b - 1) * n);
    machine->exp(idx(last + 2) * n, to_block, to_block), machine->exp(idx(last + 1) * n, from_block, from_block);
  }
  // D: within a block of rows e^(sums of the log decays), before it those of the block's start times what reached that
  void square(const O& o) {
    clear(D, idx(rows) * rows);
    for (int i0 = 0; i0 < rows; i0 += block) {
      const int m = rows_at(i0);
      R E[block * block];
      for (int i = 0; i < m; ++i) {
        R* e = E + i * block;
        const R g = o.g[i0 + i], *above = e - block;
        by_channel(block, e, [&](int j) { return j < i ? above[j] + g : R(0); });
      }
      machine->exp(m * block, E, E);
      const R first = math::exp(o.g[i0]);
      for (int i = 0; i < m; ++i) {
        R* d = D + idx(i0 + i) * rows;
        const R start = E[i * block] * first;
        by_channel(i0, d, [&](int j) { return start * reach[j]; });
        copy(E + i * block, i + 1, d + i0);
      }
      const R* last = E + (m - 1) * block;
      const R through = last[0] * first;
      by_channel(i0, reach, [&](int j) { return through * reach[j]; });
      copy(last, m, reach + i0);
    }
  }
  // For each block after the first: `anchored` = rows of B before it, decayed to its start; rows of A from its start.
  template <class F>
  void for_each_block(up_to how, const R* A, const R* B, F body) {
    for (int i0 = block; i0 < rows; i0 += block) {
      const int last = i0 - block, m = rows_at(i0);
      copy(to_block_end + idx(last) * n, idx(block) * n, factor + idx(last) * n);
      if (last > 0) machine->multiply(last, n, in_block + idx(i0 - 1) * n, 0, factor, n, factor, n);
      machine->multiply(i0, n, factor, n, B, n, anchored, n);
      weight_in_block(how, i0, m, A + idx(i0) * n, left);
      body(i0, m, left);
    }
  }
  // Y = X, rows of the block at i0, each weighted by the decays from the block's start
  void weight_in_block(up_to how, int i0, int m, const R* X, R* Y) const {
    const int skip = how == up_to::row_before ? 1 : 0;
    if (skip && X != Y) copy(X, n, Y);
    machine->multiply(m - skip, n, in_block + idx(i0) * n, n, X + skip * n, n, Y + skip * n, n);
  }
};

}  // namespace coefdyn::cpu::skeletons
