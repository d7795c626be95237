// SPDX-License-Identifier: MIT
#pragma once
#include "frame.hpp"

/// Operands of a chunk: rows of a timeline of micro-steps, in which no policy is seen (lower.hpp makes them).
namespace coefdyn::cpu {

/// (x, y) turned by the angle of cos and sin.
template <class R>
COEFDYN_HD void turn_pair(R co, R si, R& x, R& y) {
  const R a = x, b = y;
  x = a * co - b * si;
  y = a * si + b * co;
}

/// Operands of a chunk: `rows` micro-steps of `tokens` tokens. As gradients, co holds d(angle).
template <class M, class R>
struct operands {
  using traits_ = traits<M>;
  static constexpr bool evolution_decays = traits_::structure.decay != decaying::none;
  static constexpr bool channel = traits_::structure.decay == decaying::channel;
  static constexpr bool corrects = traits_::structure.correction != rank_one::none;
  static constexpr bool tied = traits_::structure.correction == rank_one::along_key && traits_::scale_is_scalar;
  static constexpr bool turns = traits_::structure.turns != turning::none;
  /// Every token turns by the same angle, which is known in more digits than R has.
  static constexpr bool same_angles = turns && traits_::structure.constant && !std::is_same_v<R, double_of<R>>;
  static constexpr bool before = traits_::structure.order == reads::before_write;
  static constexpr int micro = traits_::micro;
  /// K is the frame's own key rows: nothing changes them.
  static constexpr bool keys_as_given = !traits_::complex_state && traits_::scale_is_scalar && !turns && traits_::writes == micro;
  static_assert(!(corrects && traits_::complex_state),
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
  operands(arena& a, int tokens_, int n_, int e_, bool expanded) : tokens(tokens_), rows(tokens_ * micro), n(traits_::lowered(n_)), e(e_) {
    if (expanded || !keys_as_given) K = a.take<R>(idx(rows) * n);
    if (corrects) row = a.take<R>(idx(rows) * n), s = a.take<R>(rows);
    if (corrects && !tied) col = a.take<R>(idx(rows) * n);
    if (expanded) V = a.take<R>(idx(rows) * e);
    if (evolution_decays || traits_::stabilised) g = a.take<R>(idx(rows) * decay_width());
    b = a.take<R>(rows);
    if (before) bonus = a.take<R>(idx(tokens) * n);
    if (turns)
      co = turning_rows(a), si = turning_rows(a), angle = a.take<double_of<R>>(n / 2), co_now = a.take<double_of<R>>(n / 2),
      si_now = a.take<double_of<R>>(n / 2);
    if (same_angles) co_each = a.take<double_of<R>>(n / 2), si_each = a.take<double_of<R>>(n / 2);
    m = a.take<R>(tokens);
    if (traits_::stabilised) shift = a.take<R>(tokens);
    if (traits_::stabilised && before) read_scale = a.take<R>(tokens), bonus_scale = a.take<R>(tokens);
  }
  /// Whether there is something that row r's evolution acts on: not before the first write without a state, where what its streams say,
  /// NaN too, has no part in any result.
  COEFDYN_HD bool acts(idx r) const { return !from_nothing || r >= first_acting; }
  static constexpr int first_acting = traits_::structure.writes_each ? 1 : micro;
  /// As gradients of operands `o`: nothing reaches the rows that do not act.
  void clear_idle(const operands& o) {
    const int idle = !o.from_nothing ? 0 : rows < first_acting ? rows : first_acting;
    if (has_decays) cpu::clear(g, idx(idle) * decay_width());
    if (corrects) cpu::clear(s, idle), cpu::clear(row, idx(idle) * n);
    if (corrects && !tied) cpu::clear(col, idx(idle) * n);
    if (turns) cpu::clear(co, idx(idle) * (n / 2));
  }
  COEFDYN_HD int decay_width() const { return channel ? n : 1; }
  static constexpr bool has_decays = evolution_decays || traits_::stabilised;
  static constexpr turning pairs = traits_::structure.turns == turning::adjacent_pairs ? turning::adjacent_pairs : turning::half_pairs;
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
    for (int p = 0; p < n / 2; ++p) {
      const channel_pair i = pair_of(pairs, p, n);
      turn_pair(co[p], sign < 0 ? -si[p] : si[p], x[i.x], x[i.y]);
    }
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
template <class M, class R>
void turn_rows_back([[maybe_unused]] const operands<M, R>& o, [[maybe_unused]] operands<M, R>& d) {
  using O = operands<M, R>;
  if constexpr (O::turns) {
    const int n = o.n, half = n / 2, rows = o.rows;
    for (int r = 0; r < rows; ++r) {
      o.turn_back(r, o.K + idx(r) * n, d.K + idx(r) * n, d.co + idx(r) * half);
      if constexpr (O::corrects) {
        const int turned_by = traits<M>::structure.row_sees == sees::undecayed ? r - 1 : r;
        if (turned_by >= 0) o.turn_back(turned_by, o.row + idx(r) * n, d.row + idx(r) * n, d.co + idx(turned_by) * half);
        if constexpr (!O::tied) o.turn_back(r, o.col + idx(r) * n, d.col + idx(r) * n, d.co + idx(r) * half);
      }
    }
    for (int r = rows - 2; r >= 0; --r)
      for (int p = 0; p < half; ++p) d.co[idx(r) * half + p] += d.co[idx(r + 1) * half + p];
  }
}

template <class W>
COEFDYN_HD std::int64_t whole_turns(const W& angle) {
  if constexpr (is_dual<W>) return whole_turns(angle.v);
  else return static_cast<std::int64_t>(angle * 0.15915494309189533577 + (angle < 0 ? -0.5 : 0.5));
}
/// An angle less whole turns, so that it keeps its digits over any number of tokens.
template <class W>
COEFDYN_HD W within_a_turn(const W& angle) {
  constexpr double turn = 6.283185307179586477, most = 1e15;
  if (angle > W(-turn / 2) && angle < W(turn / 2)) return angle;
  if (!(angle > W(-most) && angle < W(most))) return angle;
  return angle - W(turn * static_cast<double>(whole_turns(angle)));
}

}  // namespace coefdyn::cpu
