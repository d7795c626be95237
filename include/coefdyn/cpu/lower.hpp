// SPDX-License-Identifier: MIT
#pragma once
#include "frame.hpp"

/// Lowering: policies become plain operands, rows of a timeline of micro-steps. No policy is seen below this line; `raise`
/// takes gradients of the operands back to the streams, by dual numbers, one pass per stream.
///
/// A turning evolution is lowered away: with P the cumulative angle, every vector is turned by -P. P counts from the chunk's start, and
/// the state is turned by +P at its end; or (`onward`, every forward pass) from the sequence's start, in double whatever R is, so that
/// states and queries cross any number of chunks as they are, and the state is turned where it leaves. A complex state of n channels
/// becomes a real one of 2n: [Re; Im]. With exp(i) scaling the running maximum m is taken out: g' = g + m_{t-1} - m_t, b' = e^(i - m_t),
/// every exponent <= 0.
namespace coefdyn::cpu {

/// Operands of a chunk: `rows` micro-steps of `tokens` tokens. As gradients, co holds d(angle).
template <class M, class R>
struct operands {
  using T = traits<M>;
  static constexpr bool gated = T::structure.decay != gate::none;
  static constexpr bool channel = T::structure.decay == gate::channel;
  static constexpr bool corrects = T::structure.correction != rank_one::none;
  static constexpr bool tied = T::structure.correction == rank_one::along_key && T::scale_is_scalar;
  static constexpr bool turns = T::structure.turns != turning::none;
  static constexpr bool before = T::structure.order == reads::before_write;
  static constexpr int micro = T::micro;
  /// K is the frame's own key rows: nothing changes them.
  static constexpr bool keys_as_given = !T::complex_state && T::scale_is_scalar && !turns && T::writes == micro;
  static_assert(!(corrects && T::complex_state),
                "coefdyn: a rank-one correction over the complex numbers is not offered; use a real evolution.");

  int tokens = 0, rows = 0, n = 0, e = 0;
  bool from_nothing = false;                                      // no state comes in and row 0 is the sequence's first: see acts
  R *K = nullptr, *row = nullptr, *col = nullptr;                 // (rows, n)
  R* V = nullptr;                                                 // (rows, e)
  R* g = nullptr;                                                 // (rows, 1 or n)
  R *s = nullptr, *b = nullptr;                                   // (rows)
  R* bonus = nullptr;                                             // (tokens, n): diag(u) k, not turned
  R *co = nullptr, *si = nullptr;                                 // (rows, n / 2): cos P, sin P; row -1: of the row before, where P goes on
  wide<R>*angle = nullptr, *co_now = nullptr, *si_now = nullptr;  // (n / 2): P so far, its cos and sin
  R* m = nullptr;                                                 // (tokens)
  R* shift = nullptr;                                             // (tokens): e^(m_{t-1} - m_t)
  bool onward = false;                                            // P counts from the sequence's start
  int last_row = -1;                                              // of co and si
  R *read_scale = nullptr, *bonus_scale = nullptr;                // (tokens): a read before the write brings both its parts to one m

  operands() = default;
  /// `expanded`: K and V are laid out here even where they could be the frame's.
  operands(arena& a, int tokens_, int n_, int e_, bool expanded) : tokens(tokens_), rows(tokens_ * micro), n(T::lowered(n_)), e(e_) {
    if (expanded || !keys_as_given) K = a.take<R>(idx(rows) * n);
    if (corrects) row = a.take<R>(idx(rows) * n), s = a.take<R>(rows);
    if (corrects && !tied) col = a.take<R>(idx(rows) * n);
    if (expanded) V = a.take<R>(idx(rows) * e);
    if (gated || T::stabilised) g = a.take<R>(idx(rows) * gate_width());
    b = a.take<R>(rows);
    if (before) bonus = a.take<R>(idx(tokens) * n);
    if (turns)
      co = turning_rows(a), si = turning_rows(a), angle = a.take<wide<R>>(n / 2), co_now = a.take<wide<R>>(n / 2),
      si_now = a.take<wide<R>>(n / 2);
    m = a.take<R>(tokens);
    if (T::stabilised) shift = a.take<R>(tokens);
    if (T::stabilised && before) read_scale = a.take<R>(tokens), bonus_scale = a.take<R>(tokens);
  }
  /// Whether there is something that row r's evolution acts on: not before the first write without a state, where what its streams say,
  /// NaN too, has no part in any result.
  COEFDYN_HD bool acts(idx r) const { return !from_nothing || r >= first_acting; }
  static constexpr int first_acting = T::structure.writes_each ? 1 : micro;
  /// As gradients of operands `o`: nothing reaches the rows that do not act.
  void clear_idle(const operands& o) {
    const int idle = !o.from_nothing ? 0 : rows < first_acting ? rows : first_acting;
    if (has_gates) cpu::clear(g, idx(idle) * gate_width());
    if (corrects) cpu::clear(s, idle), cpu::clear(row, idx(idle) * n);
    if (corrects && !tied) cpu::clear(col, idx(idle) * n);
    if (turns) cpu::clear(co, idx(idle) * (n / 2));
  }
  COEFDYN_HD int gate_width() const { return channel ? n : 1; }
  static constexpr bool has_gates = gated || T::stabilised;
  static constexpr turning pairs = T::structure.turns == turning::adjacent_pairs ? turning::adjacent_pairs : turning::half_pairs;
  COEFDYN_HD const R* columns() const { return tied ? K : col; }
  void clear() {
    const auto zero = [](R* p, idx count) {
      if (p) cpu::clear(p, count);
    };
    zero(K, idx(rows) * n), zero(row, idx(rows) * n), zero(col, idx(rows) * n), zero(V, idx(rows) * e), zero(s, rows), zero(b, rows);
    zero(g, idx(rows) * gate_width()), zero(bonus, idx(tokens) * n), zero(co, idx(rows) * (n / 2)), zero(m, tokens);
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
      copy(n / 2, co + last_row * (n / 2), co - n / 2);
      copy(n / 2, si + last_row * (n / 2), si - n / 2);
    }
  }
  /// x turned by `sign` times the angle of cos and sin rows.
  COEFDYN_HD static void turn(int n, const R* co, const R* si, int sign, R* x) {
    for (int p = 0; p < n / 2; ++p) {
      const channel_pair i = pair_of(pairs, p, n);
      const R a = x[i.x], c = x[i.y], f = sign < 0 ? -si[p] : si[p];
      x[i.x] = a * co[p] - c * f;
      x[i.y] = a * f + c * co[p];
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
template <class W>
std::int64_t whole_turns(const W& angle) {
  if constexpr (is_dual<W>) return whole_turns(angle.v);
  else return static_cast<std::int64_t>(angle * 0.15915494309189533577 + (angle < 0 ? -0.5 : 0.5));
}
/// An angle less whole turns, so that it keeps its digits over any number of tokens.
template <class W>
W within_a_turn(const W& angle) {
  constexpr double turn = 6.283185307179586477, most = 1e15;
  if (angle > W(-turn / 2) && angle < W(turn / 2)) return angle;
  if (!(angle > W(-most) && angle < W(most))) return angle;
  return angle - W(turn * static_cast<double>(whole_turns(angle)));
}

/// Row of a token that reads, and the row whose decay it has seen (-1: none of this chunk).
template <class M>
COEFDYN_HD constexpr int read_row(int i) {
  return traits<M>::structure.order == reads::before_write ? i * traits<M>::micro : (i + 1) * traits<M>::micro - 1;
}

template <class M, class R>
COEFDYN_HD constexpr R no_maximum() {  // an m that no write has set yet
  return R(-1e30);
}

/// Complex or real vector of n into a lowered row: [Re; Im], the imaginary part times `sign`.
template <class M, class R, class Row>
COEFDYN_HD void lower_vector(const Row& x, int n, int sign, R* out) {
  using E = std::remove_cvref_t<decltype(x[0])>;
  if constexpr (is_complex<E>) {
    by_channel(n, out, [&](int c) { return x[c].re; });
    by_channel(n, out + n, [&](int c) { return sign < 0 ? -x[c].im : x[c].im; });
  } else {
    by_channel(n, out, [&](int c) { return x[c]; });
    if constexpr (traits<M>::complex_state) clear(out + n, n);
  }
}

/// m_t = max(m_{t-1} + log decay, log b_t) (and 0 under a floored sum); returns m_{t-1} - m_t, which joins the log decay.
/// A rank-one part on the undecayed state, or a map without structure, is not bounded by its decay: there it counts as 0, as where
/// the token's evolution has nothing to act on.
template <class M, class R, class Frame>
COEFDYN_HD R next_maximum(const Frame& f, int i, idx position, R& m, bool acts = true) {
  using A = typename M::evolution;
  using T = traits<M>;
  const R before = m;
  const bool none = before <= R(-1e29);
  R top = none ? no_maximum<M, R>() : before;
  if constexpr (T::structure.decay != gate::none &&
                !(T::structure.correction != rank_one::none && T::structure.row_sees == sees::undecayed)) {
    const auto first = f.at(i, 0, position);
    R largest = log_decay_of<A>(first, 0);
    for (int c = 1; c < (T::structure.decay == gate::channel ? first.n : 1); ++c) largest = math::max(largest, log_decay_of<A>(first, c));
    if (!none && acts) top = before + largest;
  }
  for (int l = 0; l < T::micro; ++l)
    if (T::structure.writes_each || l == T::micro - 1) top = math::max(top, R(M::scaling::log_scale(f.at(i, l, position))));
  if constexpr (requires { M::normalization::floors_at_one; }) top = math::max(top, R(0));
  m = top;
  return none ? R(0) : before - top;
}

/// The state side of tokens [0, tokens) of a frame, at positions from `position`. m goes in and out.
template <class M, class R, class Frame>
void lower(const Frame& f, idx position, R& m, operands<M, R>& o) {
  using A = typename M::evolution;
  using B = typename M::scaling;
  using T = traits<M>;
  using O = operands<M, R>;
  const int n = f.shape.n, half = o.n / 2;
  o.go_on();
  o.last_row = o.rows - 1;
  if constexpr (T::micro > 1 && !T::structure.writes_each) {
    const auto& v = f.template of<need<stream::v, ticks::write, width::value>>();
    for (int r = 0; r < o.rows; ++r) {
      if (r % T::micro == T::micro - 1) copy(o.e, v.p + r / T::micro * v.stride, o.V + idx(r) * o.e);
      else clear(o.V + idx(r) * o.e, o.e);
    }
  } else {
    if constexpr (O::keys_as_given) o.K = f.template of<need<stream::k, ticks::write, width::key, owner::key>>().p;
    o.V = f.template of<need<stream::v, ticks::write, width::value>>().p;
  }
  for (int i = 0; i < o.tokens; ++i) {
    R shift(0);
    if constexpr (T::stabilised) {
      const R last = m;
      shift = next_maximum<M>(f, i, position + i, m, o.acts(idx(i) * T::micro));
      o.shift[i] = math::exp(shift);
      o.m[i] = m;
      if constexpr (O::before) {
        o.m[i] = math::max(last, m);
        o.read_scale[i] = last <= R(-1e29) ? R(0) : math::exp(last - o.m[i]);
        o.bonus_scale[i] = math::exp(m - o.m[i]);
      }
    } else {
      o.m[i] = R(0);
    }
    for (int l = 0; l < T::micro; ++l) {
      const idx r = idx(i) * T::micro + l;
      const auto at = f.at(i, l, position + i);
      const bool writes = T::structure.writes_each || l == T::micro - 1;
      R* k = o.K + r * o.n;
      if constexpr (!O::keys_as_given) lower_vector<M>(at.k, n, +1, k);
      if constexpr (T::scale_is_scalar) {
        o.b[r] = writes ? R(B::scale(at)) : R(0);
      } else {
        for (int part = 0; part < o.n; part += n) by_channel(n, k + part, [&](int c) { return k[part + c] * R(B::scale(at, c)); });
        o.b[r] = writes ? R(1) : R(0);
      }
      if constexpr (T::exponential) o.b[r] = writes ? o.b[r] * math::exp(R(B::log_scale(at)) - (T::stabilised ? m : R(0))) : R(0);
      if constexpr (O::has_gates) {
        R* g = o.g + r * o.gate_width();
        if (l > 0 || !o.acts(r)) clear(g, o.gate_width());
        else if constexpr (!O::channel) g[0] = log_decay_of<A>(at, 0) + shift;
        else
          for (int part = 0; part < o.n; part += n) by_channel(n, g + part, [&](int c) { return log_decay_of<A>(at, c) + shift; });
      }
      if constexpr (O::corrects) {
        o.s[r] = R(A::strength(at));
        if constexpr (T::stabilised && T::structure.row_sees == sees::undecayed) o.s[r] = o.s[r] * (l == 0 ? o.shift[i] : R(1));
        by_channel(n, o.row + r * o.n, [&](int c) { return R(A::row(at, c)); });
        if constexpr (!O::tied) by_channel(n, o.col + r * o.n, [&](int c) { return R(column_of<A>(at, c)); });
        if (!o.acts(r)) {
          o.s[r] = R(0), clear(o.row + r * o.n, o.n);
          if constexpr (!O::tied) clear(o.col + r * o.n, o.n);
        }
      }
      if constexpr (O::before)
        if (l == T::micro - 1)
          for (int part = 0; part < o.n; part += n)
            by_channel(n, o.bonus + idx(i) * o.n + part, [&](int c) { return R(A::bonus(at, c)) * k[part + c]; });
      if constexpr (O::turns) {
        R *co = o.co + r * half, *si = o.si + r * half;
        for (int p = 0; p < half; ++p) {
          if (l == 0) o.angle[p] = within_a_turn(o.angle[p] + wide<R>(R(A::angle(at, p))));
          if (!o.acts(r) && !(math::abs(o.angle[p]) >= wide<R>(0))) o.angle[p] = wide<R>(0);  // NaN; any number is as right
          if (l == 0) o.co_now[p] = math::cos(o.angle[p]), o.si_now[p] = math::sin(o.angle[p]);
          co[p] = R(o.co_now[p]), si[p] = R(o.si_now[p]);
        }
        O::turn(o.n, co, si, -1, k);
        if constexpr (O::corrects) {
          if constexpr (!O::tied) O::turn(o.n, co, si, -1, o.col + r * o.n);
          if constexpr (T::structure.row_sees == sees::decayed) O::turn(o.n, co, si, -1, o.row + r * o.n);
          else if (r || o.onward) O::turn(o.n, co - half, si - half, -1, o.row + r * o.n);
        }
      }
    }
  }
}

/// The same with a target's instructions, where policies give a number for each channel.
template <class M, class R, class Frame>
void lower(target t, const Frame& f, idx position, R& m, operands<M, R>& o) {
  if constexpr (operands<M, R>::channel || !traits<M>::scale_is_scalar) run_on(t, [&] { lower<M>(f, position, m, o); });
  else lower<M>(f, position, m, o);
}

/// Queries of one reader on the same timeline, the frame's row 0 being token `from`: rows without a read stay zero. With a bonus, p
/// (tokens) gets q'diag(u) b k / b. Returns where they are: in Q, or in the frame where nothing changes them.
template <class M, class R, class Frame>
R* lower_reads(const Frame& f, const operands<M, R>& o, int from, R* Q, R* p) {
  using O = operands<M, R>;
  const int half = o.n / 2;
  if constexpr (!traits<M>::complex_state && !O::before && !O::turns && O::micro == 1)
    if (from == 0) return f.template of<need<stream::q, ticks::token, width::key, owner::query>>().p;
  clear(Q, idx(O::micro > 1 ? o.rows : from) * o.n);
  clear(p, from);
  for (int i = from; i < o.tokens; ++i) {
    const int r = read_row<M>(i);
    R* q = Q + idx(r) * o.n;
    lower_vector<M>(f.at(i - from, 0, 0).q, f.shape.n, -1, q);
    if constexpr (O::before) {
      p[i] = sum_over<R>(o.n, [&](int c) { return q[c] * o.bonus[idx(i) * o.n + c]; });
      if constexpr (traits<M>::stabilised) {
        p[i] = p[i] * o.bonus_scale[i];
        by_channel(o.n, q, [&](int c) { return q[c] * o.read_scale[i]; });
      }
    }
    if constexpr (O::turns) {
      const int seen = O::before ? r - 1 : r;
      if (seen >= 0 || o.onward) O::turn(o.n, o.co + idx(seen) * half, o.si + idx(seen) * half, -1, q);
    }
  }
  return Q;
}

/// A state (n, width) between the frame of turning that P counts from and that of the last row. Its cos and sin are a number and
/// its rounding: a step turns once a call, and a length that is not 1 would add up over steps.
template <class M, class R>
void turn_state([[maybe_unused]] const operands<M, R>& o, [[maybe_unused]] int sign, [[maybe_unused]] R* S, [[maybe_unused]] idx ld,
                [[maybe_unused]] int width) {
  using O = operands<M, R>;
  if constexpr (O::turns) {
    using W = wide<R>;
    if (o.last_row < 0) return;
    for (int p = 0; p < o.n / 2; ++p) {
      const channel_pair i = pair_of(O::pairs, p, o.n);
      const W whole_c = o.co_now[p], whole_f = sign < 0 ? -o.si_now[p] : o.si_now[p];
      const R c = R(whole_c), f = R(whole_f), rest_c = R(whole_c - W(c)), rest_f = R(whole_f - W(f));
      R *x = S + i.x * ld, *y = S + i.y * ld;
      const auto turn = [&](int count, int v) {
        constexpr int block = 16;
        R a[block], b[block];
        for (int k = 0; k < count; ++k) a[k] = x[v + k], b[k] = y[v + k];
        for (int k = 0; k < count; ++k) x[v + k] = (a[k] * c - b[k] * f) + (a[k] * rest_c - b[k] * rest_f);
        for (int k = 0; k < count; ++k) y[v + k] = (a[k] * f + b[k] * c) + (a[k] * rest_f + b[k] * rest_c);
      };
      int v = 0;
      for (; v + 16 <= width; v += 16) turn(16, v);
      if (v < width) turn(width - v, v);
    }
  }
}
/// A state (n, width) as it leaves: itself, or a copy (n, width) that is turned.
template <class M, class R>
const R* turned_copy(const operands<M, R>& o, const R* S, idx ld, int width, R* copy_to) {
  if constexpr (operands<M, R>::turns) {
    for (int r = 0; r < o.n; ++r) copy(width, S + r * ld, copy_to + idx(r) * width);
    turn_state(o, +1, copy_to, idx(width), width);
    return copy_to;
  } else {
    return S;
  }
}

}  // namespace coefdyn::cpu
