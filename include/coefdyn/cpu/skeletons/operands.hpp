// SPDX-License-Identifier: MIT
#pragma once
#include "../../core/arena.hpp"
#include "../../core/skeleton.hpp"
#include "../stages/rows.hpp"
#include "../stages/turning.hpp"

/// Operands of a chunk: rows of a timeline of micro-steps, in which no policy is seen (stages/lower.hpp makes them).
namespace coefdyn::cpu::skeletons {

/// Up to which row decays have acted on a row operand: its own, or the one before it.
enum class up_to { own_row, row_before };

/// Operands of a chunk: `rows` micro-steps of `tokens` tokens. As gradients, co holds d(angle).
template <skeleton Kind, class R>
struct operands {
  static constexpr structure_of structure = Kind.structure;
  static constexpr bool stabilised = Kind.stabilised;
  static constexpr bool complex_state = structure.over == field::complex;
  static constexpr bool evolution_decays = structure.decay != decaying::none;
  static constexpr bool channel = structure.decay == decaying::channel;
  static constexpr bool corrects = structure.correction != rank_one::none;
  static constexpr bool tied = structure.correction == rank_one::along_key && Kind.scalar_scale;
  static constexpr bool turns = structure.turns != turning::none;
  /// Every token turns by the same angle, which is known in more digits than R has.
  static constexpr bool same_angles = turns && structure.constant && !std::is_same_v<R, double_of<R>>;
  static constexpr bool before = structure.order == reads::before_write;
  static constexpr bool row_sees_decayed = structure.row_sees == sees::decayed;
  static constexpr int micro = structure.micro_steps;
  /// K is the frame's own key rows: nothing changes them.
  static constexpr bool keys_as_given = !complex_state && Kind.scalar_scale && !turns && (structure.writes_each || micro == 1);
  static_assert(!(corrects && complex_state),
                "coefdyn: a rank-one correction over the complex numbers is not offered; use a real evolution.");

  int tokens = 0, rows = 0, n = 0, e = 0;
  bool from_nothing = false;                       // no state comes in and row 0 is the sequence's first: see acts
  R *K = nullptr, *row = nullptr, *col = nullptr;  // (rows, n)
  R* V = nullptr;                                  // (rows, e)
  R* g = nullptr;                                  // (rows, 1 or n)
  R *s = nullptr, *b = nullptr;                    // (rows)
  R* bonus = nullptr;                              // (tokens, n): diag(u) k, not turned
  R *co = nullptr, *si = nullptr;                  // (rows, n / 2): cos P, sin P; row -1: of the row before, where P goes on
  double_of<R>*angle = nullptr, *co_now = nullptr, *si_now = nullptr;  // (n / 2): P so far, its cos and sin
  double_of<R>*co_each = nullptr, *si_each = nullptr;                  // (n / 2): of a token's angle, where it is the same for all
  R* m = nullptr;                                                      // (tokens)
  R* shift = nullptr;                                                  // (tokens): e^(m_{t-1} - m_t)
  bool onward = false;                                                 // P counts from the sequence's start
  int last_row = -1;                                                   // of co and si
  R *read_scale = nullptr, *bonus_scale = nullptr;                     // (tokens): a read before the write brings both its parts to one m

  operands() = default;
  /// `expanded`: K and V are laid out here even where they could be the frame's.
  operands(arena& a, int tokens_, int n_, int e_, bool expanded) : tokens(tokens_), rows(tokens_ * micro), n(lowered(n_)), e(e_) {
    if (expanded || !keys_as_given) K = a.take<R>(idx(rows) * n);
    if (corrects) row = a.take<R>(idx(rows) * n), s = a.take<R>(rows);
    if (corrects && !tied) col = a.take<R>(idx(rows) * n);
    if (expanded) V = a.take<R>(idx(rows) * e);
    if (evolution_decays || stabilised) g = a.take<R>(idx(rows) * decay_width());
    b = a.take<R>(rows);
    if (before) bonus = a.take<R>(idx(tokens) * n);
    if (turns)
      co = turning_rows(a), si = turning_rows(a), angle = a.take<double_of<R>>(n / 2), co_now = a.take<double_of<R>>(n / 2),
      si_now = a.take<double_of<R>>(n / 2);
    if (same_angles) co_each = a.take<double_of<R>>(n / 2), si_each = a.take<double_of<R>>(n / 2);
    m = a.take<R>(tokens);
    if (stabilised) shift = a.take<R>(tokens);
    if (stabilised && before) read_scale = a.take<R>(tokens), bonus_scale = a.take<R>(tokens);
  }
  /// Width of a row of n channels: a complex one is [Re; Im].
  COEFDYN_HD static constexpr int lowered(int n) { return complex_state ? 2 * n : n; }
  /// Row that token i's read belongs to: its first row if it reads before writing, else its last.
  COEFDYN_HD static constexpr int read_row(int i) { return before ? i * micro : (i + 1) * micro - 1; }
  /// Whether there is something that row r's evolution acts on: not before the first write without a state, where what its streams say,
  /// NaN too, has no part in any result.
  COEFDYN_HD bool acts(idx r) const { return !from_nothing || r >= first_acting; }
  static constexpr int first_acting = structure.writes_each ? 1 : micro;
  /// As gradients of operands `o`: nothing reaches the rows that do not act.
  void clear_idle(const operands& o) {
    const int idle = !o.from_nothing ? 0 : rows < first_acting ? rows : first_acting;
    if (has_decays) cpu::clear(g, idx(idle) * decay_width());
    if (corrects) cpu::clear(s, idle), cpu::clear(row, idx(idle) * n);
    if (corrects && !tied) cpu::clear(col, idx(idle) * n);
    if (turns) cpu::clear(co, idx(idle) * (n / 2));
  }
  COEFDYN_HD int decay_width() const { return channel ? n : 1; }
  static constexpr bool has_decays = evolution_decays || stabilised;
  static constexpr turning pairs = structure.turns == turning::adjacent_pairs ? turning::adjacent_pairs : turning::half_pairs;
  COEFDYN_HD const R* columns() const { return tied ? K : col; }
  void clear() {
    const auto zero = [](R* p, idx count) {
      if (p) cpu::clear(p, count);
    };
    zero(K, idx(rows) * n), zero(row, idx(rows) * n), zero(col, idx(rows) * n), zero(V, idx(rows) * e), zero(s, rows), zero(b, rows);
    zero(g, idx(rows) * decay_width()), zero(bonus, idx(tokens) * n), zero(co, idx(rows) * (n / 2)), zero(m, tokens);
  }
  /// The forward pass of a sequence begins: P = 0.
  void begin_sequence() {
    if constexpr (turns) {
      onward = true, last_row = -1;
      cpu::clear(angle, n / 2);
      by_channel(n / 2, co - n / 2, [](int) { return R(1); });
      cpu::clear(si - n / 2, n / 2);
    }
  }
  /// The next rows begin: row -1 becomes the last one.
  void go_on() {
    if constexpr (turns) {
      if (!onward) cpu::clear(angle, n / 2);
      if (!onward || last_row < 0) return;
      copy(co + last_row * (n / 2), n / 2, co - n / 2);
      copy(si + last_row * (n / 2), n / 2, si - n / 2);
    }
  }
  /// x turned by `sign` times the angle of cos and sin rows.
  COEFDYN_HD static void turn(int n, const R* co, const R* si, int sign, R* x) {
    constexpr int block = 16;
    const auto some = [&](int first, int count) {
      R a[block], b[block];
      for (int j = 0; j < count; ++j) {
        const channel_pair i = pair_of(pairs, first + j, n);
        a[j] = x[i.x], b[j] = x[i.y];
        turn_pair(co[first + j], sign < 0 ? -si[first + j] : si[first + j], a[j], b[j]);
      }
      for (int j = 0; j < count; ++j) {
        const channel_pair i = pair_of(pairs, first + j, n);
        x[i.x] = a[j], x[i.y] = b[j];
      }
    };
    int p = 0;
    for (; p + block <= n / 2; p += block) some(p, block);
    if (p < n / 2) some(p, n / 2 - p);
  }
  /// Adds d(angle P) of x~ = turned(x, -P), and turns dx~ back to dx.
  COEFDYN_HD void turn_back(int r, const R* turned, R* dx, R* dP) const {
    for (int p = 0; p < n / 2; ++p) {
      const channel_pair i = pair_of(pairs, p, n);
      dP[p] += dx[i.x] * turned[i.y] - dx[i.y] * turned[i.x];
    }
    turn(n, co + idx(r) * (n / 2), si + idx(r) * (n / 2), +1, dx);
  }

 private:
  R* turning_rows(arena& a) const {
    R* p = a.take<R>((idx(rows) + 1) * (n / 2));
    return p ? p + n / 2 : p;
  }
};
/// Gradients d of operands o out of the turned frame, and the angles' gradients as sums over the rows after.
template <skeleton Kind, class R>
void turn_rows_back([[maybe_unused]] const operands<Kind, R>& o, [[maybe_unused]] operands<Kind, R>& d) {
  using O = operands<Kind, R>;
  if constexpr (O::turns) {
    const int n = o.n, half = n / 2, rows = o.rows;
    for (int r = 0; r < rows; ++r) {
      o.turn_back(r, o.K + idx(r) * n, d.K + idx(r) * n, d.co + idx(r) * half);
      if constexpr (O::corrects) {
        const int turned_by = O::row_sees_decayed ? r : r - 1;
        if (turned_by >= 0) o.turn_back(turned_by, o.row + idx(r) * n, d.row + idx(r) * n, d.co + idx(turned_by) * half);
        if constexpr (!O::tied) o.turn_back(r, o.col + idx(r) * n, d.col + idx(r) * n, d.co + idx(r) * half);
      }
    }
    for (int r = rows - 2; r >= 0; --r)
      for (int p = 0; p < half; ++p) d.co[idx(r) * half + p] += d.co[idx(r + 1) * half + p];
  }
}

/// A state (n, width) between the frame of turning that P counts from and that of the last row. In double: a step turns once a
/// call, and roundings of one sign would add up over steps.
template <skeleton Kind, class R>
void turn_state([[maybe_unused]] const operands<Kind, R>& o, [[maybe_unused]] int sign, [[maybe_unused]] R* S, [[maybe_unused]] idx ld,
                [[maybe_unused]] int width) {
  using O = operands<Kind, R>;
  if constexpr (O::turns) {
    using W = double_of<R>;
    if (o.last_row < 0) return;
    for (int p = 0; p < o.n / 2; ++p) {
      const channel_pair i = pair_of(O::pairs, p, o.n);
      const W c = o.co_now[p], f = sign < 0 ? -o.si_now[p] : o.si_now[p];
      R *x = S + i.x * ld, *y = S + i.y * ld;
      const auto turn = [&](int count, int v) {
        constexpr int block = 16;
        W a[block], b[block];
        for (int k = 0; k < count; ++k) a[k] = W(x[v + k]), b[k] = W(y[v + k]);
        for (int k = 0; k < count; ++k) x[v + k] = R(a[k] * c - b[k] * f);
        for (int k = 0; k < count; ++k) y[v + k] = R(a[k] * f + b[k] * c);
      };
      int v = 0;
      for (; v + 16 <= width; v += 16) turn(16, v);
      if (v < width) turn(width - v, v);
    }
  }
}
/// A state (n, width) as it leaves: itself, or a copy (n, width) that is turned.
template <skeleton Kind, class R>
const R* turned_copy(const operands<Kind, R>& o, const R* S, idx ld, int width, R* copy_to) {
  if constexpr (operands<Kind, R>::turns) {
    for (int r = 0; r < o.n; ++r) copy(S + r * ld, width, copy_to + idx(r) * width);
    turn_state(o, +1, copy_to, idx(width), width);
    return copy_to;
  } else {
    return S;
  }
}

}  // namespace coefdyn::cpu::skeletons
