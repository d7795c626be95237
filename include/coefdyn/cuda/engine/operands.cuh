// SPDX-License-Identifier: MIT
#pragma once
#include "../../cpu/skeletons/operands.hpp"
#include "products.cuh"

/// Operands of a chunk in a block's memory: rows of a timeline of micro-steps, in which no policy is seen (lower.cuh makes them).
namespace coefdyn::cuda::generic::skeletons {

/// What the operands of a turning evolution have beside cos and sin of their rows.
template <class R, bool turns>
struct turning_operands {
  static constexpr bool onward = false;
};
template <class R>
struct turning_operands<R, true> {
  cpu::double_of<R>* whole = nullptr;  // (n): cos P, sin P of the last row
  bool onward = false;                 // P counts from the sequence's start
  idx origin = 0;                      // tokens that P counts before the first
};
/// Operands of a chunk; as gradients, co holds d(angle), and V is laid out.
template <skeleton Kind, class R>
struct operands : turning_operands<R, cpu::skeletons::operands<Kind, R>::turns> {
  using O = cpu::skeletons::operands<Kind, R>;
  static constexpr bool evolution_decays = O::evolution_decays, channel = O::channel, corrects = O::corrects, tied = O::tied,
                        turns = O::turns, before = O::before, has_decays = O::has_decays, stabilised = O::stabilised,
                        row_sees_decayed = O::row_sees_decayed;
  static constexpr int micro = O::micro;
  static constexpr turning pairs = O::pairs;
  static constexpr bool goes_onward = turns && Kind.structure.constant;
  int tokens = 0, rows = 0, n = 0, e = 0, ln = 0, le = 0;  // n of the lowered state; strides of rows of n and of e
  R *K = nullptr, *row = nullptr, *col = nullptr;          // (rows, n)
  R* V = nullptr;                                          // (rows, e): gradients only; inputs have theirs in the frame
  R* g = nullptr;                                          // (rows, 1 or ln)
  R *s = nullptr, *b = nullptr;                            // (rows)
  R* bonus = nullptr;                                      // (tokens, n): diag(u) k, not turned
  R *co = nullptr, *si = nullptr;                          // (rows, n / 2): cos P, sin P; row -1: of the token before, where P goes on
  R *m = nullptr, *shift = nullptr, *lift = nullptr, *read_scale = nullptr, *bonus_scale = nullptr;  // (tokens)

  operands() = default;
  COEFDYN_HD operands(memory& a, int tokens_, int n_, int e_, bool gradient)
      : tokens(tokens_), rows(tokens_ * micro), n(O::lowered(n_)), e(e_), ln(padded(n)), le(padded(e_)) {
    K = a.take<R>(idx(rows) * ln);
    if (corrects) row = a.take<R>(idx(rows) * ln), s = a.take<R>(rows);
    if (corrects && !tied) col = a.take<R>(idx(rows) * ln);
    if (gradient) V = a.take<R>(idx(rows) * le);
    if (has_decays) g = a.take<R>(idx(rows) * decay_width());
    b = a.take<R>(rows);
    if (before) bonus = a.take<R>(idx(tokens) * ln);
    if (turns && gradient) co = a.take<R>(idx(rows) * (n / 2));
    if constexpr (turns)
      if (!gradient) co = turning_rows(a), si = turning_rows(a), this->whole = a.take<cpu::double_of<R>>(n);
    if (!gradient) m = a.take<R>(tokens), shift = a.take<R>(tokens), lift = a.take<R>(tokens);
    if (stabilised && before && !gradient) read_scale = a.take<R>(tokens), bonus_scale = a.take<R>(tokens);
  }
  /// A forward pass begins: P counts from its start where it can.
  COEFDYN_HD void begin_forward() {
    if constexpr (goes_onward) this->onward = true;
  }
  /// The row of token i's read; whether row r writes.
  COEFDYN_HD static constexpr int read_row(int i) { return O::read_row(i); }
  COEFDYN_HD static constexpr bool writes_at(int r) { return Kind.structure.writes_each || r % micro == micro - 1; }
  COEFDYN_HD int decay_width() const { return channel ? ln : 1; }
  COEFDYN_HD const R* columns() const { return tied ? K : col; }
  __device__ void clear() const {
    const auto zero = [](R* p, int count) {
      if (p) each_unsynced(count, [&](int i) { p[i] = R(0); });
    };
    zero(K, rows * ln), zero(row, rows * ln), zero(col, rows * ln), zero(V, rows * le), zero(s, rows), zero(b, rows);
    zero(g, rows * decay_width()), zero(bonus, tokens * ln), zero(co, rows * (n / 2));
    __syncthreads();
  }
  /// Pair p of x turned by `sign` times the angle of row r.
  __device__ void turn_pair(int r, int p, int sign, R* x) const {
    const int half = n / 2;
    const channel_pair i = pair_of(pairs, p, n);
    cpu::turn_pair(co[r * half + p], sign < 0 ? -si[r * half + p] : si[r * half + p], x[i.x], x[i.y]);
  }
  /// Elements x and y of pair p of a state, turned by `sign` times P of the last row: in double, as roundings of cos and sin are of one
  /// sign and would add up over many turns.
  __device__ void turn_whole(int p, int sign, R& x, R& y) const {
    using W = cpu::double_of<R>;
    const W a = W(x), c = W(y), o = this->whole[p], f = sign < 0 ? -this->whole[n / 2 + p] : this->whole[n / 2 + p];
    x = R(a * o - c * f);
    y = R(a * f + c * o);
  }
  /// Adds d(angle P) of x~ = turned(x, -P), and turns dx~ back to dx, for one pair.
  __device__ void turn_back_pair(int r, int p, const R* turned, R* dx, R* dP) const {
    const channel_pair i = pair_of(pairs, p, n);
    dP[p] += dx[i.x] * turned[i.y] - dx[i.y] * turned[i.x];
    turn_pair(r, p, +1, dx);
  }
  /// The same for pair p of all rows that read, by the angle of the row up to which a read is turned; the angles' gradients are added to
  /// `angle` (rows, n / 2).
  __device__ void turn_reads_back(int p, const R* Q, R* dQ, R* angle) const {
    for (int i = 0; i < tokens; ++i) {
      const int r = O::read_row(i), turned_by = before ? r - 1 : r;
      if (turned_by >= 0) turn_back_pair(turned_by, p, Q + r * ln, dQ + r * ln, angle + turned_by * (n / 2));
    }
  }
  /// The same for pair p of the rows that write, and of the corrections; angles' gradients become sums over the `count` rows from theirs
  /// on.
  __device__ void turn_writes_back(int count, int p, const operands& d) const {
    const int half = n / 2;
    for (int r = 0; r < count; ++r) {
      turn_back_pair(r, p, K + r * ln, d.K + r * ln, d.co + r * half);
      if constexpr (corrects) {
        const int turned_by = row_sees_decayed ? r : r - 1;
        if (turned_by >= 0) turn_back_pair(turned_by, p, row + r * ln, d.row + r * ln, d.co + turned_by * half);
        if constexpr (!tied) turn_back_pair(r, p, col + r * ln, d.col + r * ln, d.co + r * half);
      }
    }
    for (int r = count - 2; r >= 0; --r) d.co[r * half + p] += d.co[(r + 1) * half + p];
  }

 private:
  COEFDYN_HD R* turning_rows(memory& a) const {
    R* p = a.take<R>((idx(rows) + 1) * (n / 2));
    return p ? p + n / 2 : p;
  }
};

}  // namespace coefdyn::cuda::generic::skeletons
