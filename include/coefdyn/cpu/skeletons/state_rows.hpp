// SPDX-License-Identifier: MIT
#pragma once
#include "../products/products.hpp"
#include "operands.hpp"

/// Rows of a structured evolution, each one pass over the state from memory (products::state_row); with a sum, z rides along as a vector:
///
///   S_r = (I + s col row') D_r S_{r-1} + b K v',   y_i = S_i' q_i
namespace coefdyn::cpu::skeletons {

/// Rows of a window of the lowered timeline, and the state that they pass over.
template <skeleton Kind, class R>
struct state_rows {
  using O = operands<Kind, R>;
  int length = 0, n = 0, d = 0;
  O o;
  products<R> machine;
  R *own = nullptr, *z = nullptr, *w = nullptr, *row = nullptr;  // (n, d), (n), (rows, 1 or n), (2, n)
  R* turned = nullptr;                                           // (n, d), (n): a state on its way out
  R* ahead = nullptr;                                            // (d): S' row of the row that comes next
  const R* left_ahead = nullptr;                                 // that row
  R *Q = nullptr, *p = nullptr, *Y = nullptr;                    // per reader: (rows, n), (length), (length, width)
  R* reads_to = nullptr;                                         // where the tokens' reads go: Y or the caller's y
  idx ld_reads = 0;
  const R** queries = nullptr;            // per reader
  R *nothing = nullptr, *sink = nullptr;  // max(n, d) zeros, (n, d): of the second reader on
  // the state of the sequence at hand
  const R* from = nullptr;
  R* to = nullptr;
  idx ld_from = 0, ld_to = 0;
  const R* next = nullptr;  // during the last token: the state of the head that comes next

  state_rows() = default;
  /// n and d of the caller's state; `readers` of it.
  state_rows(arena& a, int n_, int d_, int length_, int readers)
      : length(length_),
        n(O::lowered(n_)),
        d(d_),
        o(a, length_, n_, d_ + (Kind.sums ? 1 : 0), O::micro > 1 && !O::structure.writes_each),
        machine(products<R>::best()) {
    const idx rows = idx(length) * O::micro;
    own = a.take<R>(idx(n) * d), z = a.take<R>(n), row = a.take<R>(2 * n);
    if (O::turns) turned = a.take<R>(idx(n) * d + n);
    if (O::corrects) ahead = a.take<R>(d);
    if (O::has_decays) w = a.take<R>(rows * (O::channel ? n : 1));
    Q = a.take<R>(readers * rows * n), p = a.take<R>(idx(readers) * length), Y = a.take<R>(idx(readers) * length * width()),
    queries = a.take<const R*>(readers);
    if (readers > 1) nothing = a.take<R>(n > d ? n : d), sink = a.take<R>(idx(n) * d);
  }
  /// A read row with its sum at d, whole cache lines.
  int width() const { return (d + 16) / 16 * 16; }
  R* result(int r, int i) const { return reads_to + (idx(r) * length + i) * ld_reads; }

  /// Rows of a token, read by the token's queries where it reads after its write.
  void token(int i, int readers) {
    for (int l = 0; l < O::micro; ++l) pass(i, l, !O::before && readers > 0 && l == O::micro - 1);
    if (!O::before)
      for (int k = 1; k < readers; ++k) read_again(k, i);
  }
  /// One pass over the state, `is_read`: by the first reader too. It also sums what the next row of the window is corrected by.
  void pass(int i, int l, bool is_read) {
    const int r = i * O::micro + l;
    const R *decays = nullptr, *left = nullptr, *col = nullptr, *known = nullptr, *row_ahead = nullptr;  // decays: per channel
    R decay(1), strength(0);
    if constexpr (O::channel) {
      if (l == 0) decays = w + idx(r) * n;
    } else if constexpr (O::has_decays) {
      if (l == 0) decay = w[r];
    }
    if constexpr (O::corrects) {
      left = r ? left_ahead : left_of(r), known = r ? ahead : nullptr;
      left_ahead = row_ahead = r + 1 < o.rows ? left_of(r + 1) : nullptr;
      strength = o.s[r] * (O::row_sees_decayed ? decay : R(1));
      if constexpr (!O::tied) col = o.col + idx(r) * n;
    }
    const R* q = is_read ? queries[0] + idx(r) * n : nullptr;
    machine.state_row(n, {.w = decays,
                          .row = left,
                          .col = col,
                          .k = o.K + idx(r) * n,
                          .v = o.V + idx(r) * o.e,
                          .q = q,
                          .s = strength,
                          .b = o.b[r],
                          .decay = decay,
                          .from = from,
                          .ld_from = ld_from,
                          .to = to,
                          .ld_to = ld_to,
                          .y = result(0, i),
                          .d = d,
                          .next = r + 1 == o.rows ? next : nullptr,
                          .known = known,
                          .row_ahead = row_ahead,
                          .ahead = row_ahead ? ahead : nullptr});
    from = to, ld_from = ld_to;
    if constexpr (Kind.sums) sum_row(r, decays, decay, left, strength, col);
    if (is_read) read_sum(0, i, q);
  }
  /// Another reader of the token: the same pass without a write, so that a reader's bits do not depend on the others.
  void read_again(int k, int i) {
    const R* q = queries[k] + idx(O::read_row(i)) * n;
    machine.state_row(n, {.w = nullptr,
                          .row = nullptr,
                          .col = nullptr,
                          .k = nothing,
                          .v = nothing,
                          .q = q,
                          .s = R(0),
                          .b = R(0),
                          .decay = R(1),
                          .from = from,
                          .ld_from = ld_from,
                          .to = sink,
                          .ld_to = idx(d),
                          .y = result(k, i),
                          .d = d});
    read_sum(k, i, q);
  }
  /// Reads of a token before its write.
  void read(int i, int readers) {
    const int r = O::read_row(i);
    for (int k = 0; k < readers; ++k) {
      R* y = result(k, i);
      const R* q = queries[k] + idx(r) * n;
      clear(y, d + 1);
      machine.nn(1, d, n, q, n, from, ld_from, y, d);
      read_sum(k, i, q);
      if constexpr (O::before) {
        const int at = i * O::micro + O::micro - 1;
        const R f = p[idx(k) * length + i] * o.b[at];
        machine.add_scaled_rows(1, Kind.sums ? d + 1 : d, &f, o.V + idx(at) * o.e, o.e, y, width());
      }
    }
  }

 private:
  /// Row r with the decays that it sees by channel.
  const R* left_of(int r) const {
    const R* left = o.row + idx(r) * n;
    if (!O::channel || !O::row_sees_decayed || r % O::micro) return left;
    R* const row_decayed = row + idx(r / O::micro % 2) * n;
    by_channel(n, row_decayed, [&](int c) { return w[idx(r) * n + c] * left[c]; });
    return row_decayed;
  }
  void sum_row(int r, const R* decays, R decay, const R* left, R strength, const R* col) {
    const R* k = o.K + idx(r) * n;
    R along(0), write = o.b[r];
    if constexpr (O::corrects) along = strength * sum_over<R>(n, [&](int c) { return left[c] * z[c]; });
    if (!col) write += along;
    by_channel(n, z, [&](int c) { return (decays ? decays[c] : decay) * z[c]; });
    by_channel(n, z, [&](int c) { return z[c] + k[c] * write; });
    if (col) by_channel(n, z, [&](int c) { return z[c] + col[c] * along; });
  }
  void read_sum(int k, int i, const R* q) const {
    if constexpr (Kind.sums) result(k, i)[d] = sum_over<R>(n, [&](int c) { return q[c] * z[c]; });
  }
};

}  // namespace coefdyn::cpu::skeletons
