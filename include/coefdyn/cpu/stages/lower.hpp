// SPDX-License-Identifier: MIT
#pragma once
#include "../skeletons/operands.hpp"
#include "frame.hpp"
#include "keyed.hpp"
#include "maximum.hpp"
#include "timeline.hpp"

/// Lowering: policies become plain operands, rows of a timeline of micro-steps. No policy is seen below this line; `raise`
/// takes gradients of the operands back to the streams, by dual numbers, one pass per stream.
///
/// A turning evolution is lowered away: with P the cumulative angle, every vector is turned by -P. P counts from the chunk's start, and
/// the state is turned by +P at its end; or (`onward`, every forward pass) from the sequence's start, in double whatever R is, so that
/// states and queries cross any number of chunks as they are, and the state is turned where it leaves. A complex state of n channels
/// becomes a real one of 2n: [Re; Im]. With exp(i) scaling the running maximum m is taken out: g' = g + m_{t-1} - m_t, b' = e^(i - m_t),
/// every exponent <= 0.
namespace coefdyn::cpu {

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

/// K and V of operands from a frame: rows of their own where a token does not write at every micro-step, else the frame's.
template <class M, class R, class Frame>
void lower_values(const Frame& f, operands<M, R>& o) {
  using traits_ = traits<M>;
  const auto& v = f.template of<need<stream::v, ticks::write, width::value>>();
  if constexpr (traits_::micro > 1 && !traits_::structure.writes_each) {
    for (int r = 0; r < o.rows; ++r) {
      if (r % traits_::micro == traits_::micro - 1) copy(v.p + r / traits_::micro * v.stride, o.e, o.V + idx(r) * o.e);
      else clear(o.V + idx(r) * o.e, o.e);
    }
  } else {
    if constexpr (operands<M, R>::keys_as_given) o.K = f.template of<need<stream::k, ticks::write, width::key, owner::key>>().p;
    o.V = v.p;
  }
}
/// m of token i, and how far its read and its bonus lie below their common maximum; returns m_{t-1} - m_t.
template <class M, class R, class Frame>
R lower_maximum(const Frame& f, int i, idx position, R& m, operands<M, R>& o) {
  using O = operands<M, R>;
  if constexpr (traits<M>::stabilised) {
    const R last = m, shift = next_maximum<M>(f, i, position, m, o.acts(idx(i) * O::micro));
    o.shift[i] = math::exp(shift);
    o.m[i] = m;
    if constexpr (O::before) {
      o.m[i] = math::max(last, m);
      o.read_scale[i] = math::exp(last - o.m[i]);
      o.bonus_scale[i] = math::exp(m - o.m[i]);
    }
    return shift;
  } else {
    o.m[i] = R(0);
    return R(0);
  }
}
/// Micro-step l of token i as the timeline's row r, for `lower`: one function an operand.
template <class M, class R, class At>
struct lowered_row {
  using A = typename M::evolution;
  using B = typename M::scaling;
  using traits_ = traits<M>;
  using O = operands<M, R>;
  const At& at;
  operands<M, R>& o;
  int i, l;
  idx r;
  R shift, m;

  /// K and b, and of a bonus diag(u) K.
  void write() const {
    const int n = at.n;
    const bool writes = traits_::writes_at(l);
    R* k = o.K + r * o.n;
    if constexpr (!O::keys_as_given) lower_vector<M>(at.k, n, +1, k);
    if constexpr (traits_::scale_is_scalar) {
      o.b[r] = writes ? R(B::scale(at)) : R(0);
    } else {
      for (int part = 0; part < o.n; part += n) by_channel(n, k + part, [&](int c) { return k[part + c] * R(B::scale(at, c)); });
      o.b[r] = writes ? R(1) : R(0);
    }
    if constexpr (traits_::exponential) o.b[r] = writes ? o.b[r] * math::exp(R(B::log_scale(at)) - (traits_::stabilised ? m : R(0))) : R(0);
  }
  void decay() const {
    const int n = at.n;
    R* g = o.g + r * o.decay_width();
    if (l > 0 || !o.acts(r)) clear(g, o.decay_width());
    else if constexpr (!O::channel) g[0] = log_decay_of<A>(at, 0) + shift;
    else
      for (int part = 0; part < o.n; part += n) by_channel(n, g + part, [&](int c) { return log_decay_of<A>(at, c) + shift; });
  }
  void correction() const {
    const int n = at.n;
    o.s[r] = R(A::strength(at));
    if constexpr (traits_::stabilised && traits_::structure.row_sees == sees::undecayed) o.s[r] = o.s[r] * (l == 0 ? o.shift[i] : R(1));
    by_channel(n, o.row + r * o.n, [&](int c) { return R(A::row(at, c)); });
    if constexpr (!O::tied) by_channel(n, o.col + r * o.n, [&](int c) { return R(column_of<A>(at, c)); });
    if (!o.acts(r)) {
      o.s[r] = R(0), clear(o.row + r * o.n, o.n);
      if constexpr (!O::tied) clear(o.col + r * o.n, o.n);
    }
  }
  void bonus() const {
    const int n = at.n;
    const R* k = o.K + r * o.n;
    if (l == traits_::micro - 1)
      for (int part = 0; part < o.n; part += n)
        by_channel(n, o.bonus + idx(i) * o.n + part, [&](int c) { return R(A::bonus(at, c)) * k[part + c]; });
  }
  /// P of all pairs one token on, its cos and sin.
  void turn_on() const {
    if constexpr (O::same_angles)
      if (i > 0) return turn_again();
    for (int p = 0; p < o.n / 2; ++p) {
      const double_of<R> by = double_of<R>(R(A::angle(at, p)));
      o.angle[p] = within_a_turn(o.angle[p] + by);
      if (!o.acts(r) && math::is_nan(o.angle[p])) o.angle[p] = double_of<R>(0);  // any number is as right
      o.co_now[p] = math::cos(o.angle[p]), o.si_now[p] = math::sin(o.angle[p]);
      if constexpr (O::same_angles) o.co_each[p] = math::cos(by), o.si_each[p] = math::sin(by);
    }
  }
  /// The same where every token turns by the angle of the first: from cos and sin of the token before, in more digits than R has.
  void turn_again() const {
    constexpr int block = 16;
    const int half = o.n / 2;
    const auto some = [&](int p, int count) {
      double_of<R> co[block], si[block];
      for (int j = 0; j < count; ++j) co[j] = o.co_now[p + j] * o.co_each[p + j] - o.si_now[p + j] * o.si_each[p + j];
      for (int j = 0; j < count; ++j) si[j] = o.si_now[p + j] * o.co_each[p + j] + o.co_now[p + j] * o.si_each[p + j];
      for (int j = 0; j < count; ++j) o.co_now[p + j] = co[j], o.si_now[p + j] = si[j];
    };
    int p = 0;
    for (; p + block <= half; p += block) some(p, block);
    if (p < half) some(p, half - p);
    if (i == o.tokens - 1)
      for (p = 0; p < half; ++p) o.angle[p] = within_a_turn(o.angle[p] + double_of<R>(R(A::angle(at, p))) * double_of<R>(i));
  }
  /// The cumulative angle P, and K, col and row turned by -P.
  void turn() const {
    const int half = o.n / 2;
    R *co = o.co + r * half, *si = o.si + r * half;
    if (l == 0) turn_on();
    by_channel(half, co, [&](int p) { return R(o.co_now[p]); });
    by_channel(half, si, [&](int p) { return R(o.si_now[p]); });
    O::turn(o.n, co, si, -1, o.K + r * o.n);
    if constexpr (O::corrects) {
      if constexpr (!O::tied) O::turn(o.n, co, si, -1, o.col + r * o.n);
      if constexpr (traits_::structure.row_sees == sees::decayed) O::turn(o.n, co, si, -1, o.row + r * o.n);
      else if (r || o.onward) O::turn(o.n, co - half, si - half, -1, o.row + r * o.n);
    }
  }
};

/// The state side of tokens [0, tokens) of a frame, at positions from `position`. m goes in and out.
template <class M, class R, class Frame>
void lower(const Frame& f, idx position, R& m, operands<M, R>& o) {
  using O = operands<M, R>;
  o.go_on();
  o.last_row = o.rows - 1;
  lower_values<M>(f, o);
  for (int i = 0; i < o.tokens; ++i) {
    const R shift = lower_maximum<M>(f, i, position + i, m, o);
    for (int l = 0; l < O::micro; ++l) {
      const auto at = f.at(i, l, position + i);
      const lowered_row<M, R, decltype(at)> row{.at = at, .o = o, .i = i, .l = l, .r = idx(i) * O::micro + l, .shift = shift, .m = m};
      row.write();
      if constexpr (O::has_decays) row.decay();
      if constexpr (O::corrects) row.correction();
      if constexpr (O::before) row.bonus();
      if constexpr (O::turns) row.turn();
    }
  }
}

/// The same with a target's instructions, where policies give a number for each channel.
template <class M, class R, class Frame>
void lower(target t, const Frame& f, idx position, R& m, operands<M, R>& o) {
  if constexpr (operands<M, R>::channel || operands<M, R>::turns || !traits<M>::scale_is_scalar)
    run_on(t, [&] { lower<M>(f, position, m, o); });
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
      const int turned_by = O::before ? r - 1 : r;
      if (turned_by >= 0 || o.onward) O::turn(o.n, o.co + idx(turned_by) * half, o.si + idx(turned_by) * half, -1, q);
    }
  }
  return Q;
}

}  // namespace coefdyn::cpu
