// SPDX-License-Identifier: MIT
#pragma once
#include "../../cpu/stages/lower.hpp"
#include "frame.cuh"
#include "products.cuh"

/// Lowering by a team: the operands of cpu/stages/lower.hpp, from a frame in a block's memory. No policy is seen below this line.
///
/// Angles add up in double. Where they are constant, forward passes turn everything from the sequence's start (`onward`): P of a row is
/// its token's number times theta, so that queries and states cross tiles and chunks as they are, exact over any length, and a state is
/// turned where it leaves. Angles with a time axis, the step's windows and all backward passes count P from the chunk's start. There states
/// are turned in double from chunk to chunk, an unbiased rounding each. What is left in R: the parallel form's queries and states from tile
/// to tile (tile_summary), scores 4e-5 of |q||k| off after 200,000 keys in float; and the forms that take token by token (recurrent, scan,
/// definition), by cos and sin of each token's angle.
namespace coefdyn::cuda::generic {

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
template <class M, class R>
struct operands : turning_operands<R, cpu::operands<M, R>::turns> {
  using traits_ = traits<M>;
  using O = cpu::operands<M, R>;
  static constexpr bool evolution_decays = O::evolution_decays, channel = O::channel, corrects = O::corrects, tied = O::tied,
                        turns = O::turns, before = O::before, has_decays = O::has_decays;
  static constexpr int micro = traits_::micro;
  static constexpr turning pairs = O::pairs;
  static constexpr bool goes_onward = turns && traits_::structure.constant;
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
      : tokens(tokens_), rows(tokens_ * micro), n(traits_::lowered(n_)), e(e_), ln(padded(n)), le(padded(e_)) {
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
    if (traits_::stabilised && before && !gradient) read_scale = a.take<R>(tokens), bonus_scale = a.take<R>(tokens);
  }
  /// A forward pass begins: P counts from its start where it can.
  COEFDYN_HD void begin_forward() {
    if constexpr (goes_onward) this->onward = true;
  }
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
    const R a = x[i.x], c = x[i.y], f = sign < 0 ? -si[r * half + p] : si[r * half + p], o = co[r * half + p];
    x[i.x] = a * o - c * f;
    x[i.y] = a * f + c * o;
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
      const int r = cpu::read_row<M>(i), turned_by = before ? r - 1 : r;
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
        const int turned_by = traits_::structure.row_sees == sees::undecayed ? r - 1 : r;
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

/// Element c of a lowered vector: [Re; Im], the imaginary part times `sign`.
template <class M, class R, class Row>
__device__ R lowered_element(const Row& x, int n, int c, int sign) {
  using E = std::remove_cvref_t<decltype(x[0])>;
  if constexpr (is_complex<E>) return c < n ? x[c].re : sign < 0 ? -x[c - n].im : x[c - n].im;
  else return c < n ? R(x[c]) : R(0);
}

/// The running maxima of tokens [0, o.tokens); every thread returns the last.
template <class M, class R, class Frame>
__device__ R lower_maxima(const Frame& f, idx position, R m, const operands<M, R>& o) {
  using traits_ = traits<M>;
  if constexpr (!traits_::stabilised) {
    each(o.tokens, [&](int i) { o.m[i] = R(0); });
    return m;
  } else {
    each(o.tokens, [&](int i) {
      R top = math::unset_maximum<R>();
      for (int l = 0; l < traits_::micro; ++l)
        if (traits_::writes_at(l)) top = math::max(top, R(M::scaling::log_scale(f.at(i, l, position + i))));
      if constexpr (traits_::floored) top = math::max(top, R(0));
      o.shift[i] = cpu::largest_log_decay<M, R>(f, i, position + i), o.lift[i] = top;
    });
    each(1, [&](int) {
      R running = m;
      for (int i = 0; i < o.tokens; ++i) {
        const R last = running, left = last + o.shift[i];
        const bool none = math::is_unset(left);  // nothing of what was written before is left
        const R top = none ? o.lift[i] : math::max(left, o.lift[i]);
        running = top;
        o.shift[i] = none ? R(0) : last - top;  // log of what becomes e^(m_{t-1} - m_t) below
        o.m[i] = top;
        if constexpr (operands<M, R>::before) {
          o.m[i] = math::max(last, top);
          o.read_scale[i] = math::exp(last - o.m[i]);
          o.bonus_scale[i] = math::exp(top - o.m[i]);
        }
        o.lift[i] = top;
      }
    });
    return o.lift[o.tokens - 1];
  }
}

/// Cos and sin of P of all rows; nothing is waited for.
template <class M, class R, class Frame>
__device__ void lower_angles(const Frame& f, idx position, const operands<M, R>& o) {
  using A = typename M::evolution;
  using O = operands<M, R>;
  using W = cpu::double_of<R>;
  const int half = o.n / 2;
  const auto put = [&](int r, int p, W angle) {  // cos and sin in R of the nearest number of R, and of what is left to first order
    const R near = R(angle), rest = R(angle - W(near)), c = math::cos(near), s = math::sin(near);
    o.co[r * half + p] = c - s * rest, o.si[r * half + p] = s + c * rest;
  };
  const auto put_whole = [&](int p, W angle) { o.whole[p] = math::cos(angle), o.whole[half + p] = math::sin(angle); };
  if constexpr (traits<M>::structure.constant) {
    const auto angle = [&](idx count, int p) { return cpu::within_a_turn(W(R(A::angle(f.at(0, 0, position), p))) * W(count)); };
    each2_unsynced(o.rows + 1, half, [&](int r, int p) { put(r - 1, p, angle(o.origin + (r + O::micro - 1) / O::micro, p)); });
    each_unsynced(half, [&](int p) { put_whole(p, angle(o.origin + o.tokens, p)); });
  } else {
    each_unsynced(half, [&](int p) {
      W angle(0);
      for (int r = 0; r < o.rows; ++r) {
        const int i = r / O::micro;
        if (r % O::micro == 0) angle = cpu::within_a_turn(angle + W(R(A::angle(f.at(i, 0, position + i), p))));
        put(r, p, angle);
      }
      put_whole(p, angle);
    });
  }
}

/// The state side of tokens [0, o.tokens) of a frame, at positions from `position`; returns the last maximum.
template <class M, class R, class Frame>
__device__ __forceinline__ R lower_inline(const Frame& f, idx position, R m, const operands<M, R>& o) {
  using A = typename M::evolution;
  using B = typename M::scaling;
  using traits_ = traits<M>;
  using O = operands<M, R>;
  const int n = f.shape.n, half = o.n / 2;
  const R last = lower_maxima<M>(f, position, m, o);
  if constexpr (O::turns) lower_angles<M>(f, position, o);
  each_unsynced(o.rows, [&](int r) {
    const int i = r / traits_::micro, l = r % traits_::micro;
    const auto at = f.at(i, l, position + i);
    const bool writes = traits_::writes_at(l);
    R b(1);
    if constexpr (traits_::scale_is_scalar) b = R(B::scale(at));
    if constexpr (traits_::exponential) b = b * math::exp(R(B::log_scale(at)) - (traits_::stabilised ? o.lift[i] : R(0)));
    o.b[r] = writes ? b : R(0);
    if constexpr (O::corrects) {
      o.s[r] = R(A::strength(at));
      if constexpr (traits_::stabilised && traits_::structure.row_sees == sees::undecayed)
        o.s[r] = o.s[r] * (l == 0 ? math::exp(o.shift[i]) : R(1));
    }
    if constexpr (O::has_decays && !O::channel)
      o.g[r] = l == 0 ? R(log_decay_of<A>(at, 0)) + (traits_::stabilised ? o.shift[i] : R(0)) : R(0);
  });
  each2(o.rows, o.n, [&](int r, int c) {
    const int i = r / traits_::micro, l = r % traits_::micro;
    const auto at = f.at(i, l, position + i);
    R k = lowered_element<M, R>(at.k, n, c, +1);
    if constexpr (!traits_::scale_is_scalar) k = k * R(B::scale(at, c % n));
    o.K[r * o.ln + c] = k;
    if constexpr (O::has_decays && O::channel)
      o.g[r * o.ln + c] = l == 0 ? R(log_decay_of<A>(at, c % n)) + (traits_::stabilised ? o.shift[i] : R(0)) : R(0);
    if constexpr (O::corrects) {
      o.row[r * o.ln + c] = R(A::row(at, c));
      if constexpr (!O::tied) o.col[r * o.ln + c] = R(column_of<A>(at, c));
    }
    if constexpr (O::before) {
      if (l == traits_::micro - 1) o.bonus[i * o.ln + c] = R(A::bonus(at, c % n)) * k;
    }
  });
  if constexpr (O::turns)
    each2(o.rows, half, [&](int r, int p) {
      o.turn_pair(r, p, -1, o.K + r * o.ln);
      if constexpr (O::corrects) {
        if constexpr (!O::tied) o.turn_pair(r, p, -1, o.col + r * o.ln);
        if constexpr (traits_::structure.row_sees == sees::decayed) o.turn_pair(r, p, -1, o.row + r * o.ln);
        else if (r || o.onward) o.turn_pair(r - 1, p, -1, o.row + r * o.ln);
      }
    });
  if constexpr (traits_::stabilised) each(o.tokens, [&](int i) { o.shift[i] = math::exp(o.shift[i]); });
  return last;
}

/// The same as a call, whose arguments go through memory.
template <class M, class R, class Frame>
__device__ __noinline__ R lower(const Frame& frame_there, idx position, R m, const operands<M, R>& o_there) {
  const Frame f = frame_there;  // copies, whose members are registers
  const operands<M, R> o = o_there;
  return lower_inline<M>(f, position, m, o);
}

/// Queries of one reader on the same timeline, tokens [from, o.tokens) of the frame: rows without a read are zero. With a bonus,
/// p (tokens) gets q'diag(u) b k / b.
template <class M, class R, class Frame>
__device__ __forceinline__ void lower_reads_inline(const Frame& f, const operands<M, R>& o, int from, R* Q, R* p) {
  using O = operands<M, R>;
  const int half = o.n / 2;
  each2(o.rows, o.n, [&](int r, int c) {
    const int i = r / O::micro;
    const bool reads_here = r == cpu::read_row<M>(i) && i >= from;
    Q[r * o.ln + c] = reads_here ? lowered_element<M, R>(f.at(i, 0, 0).q, f.shape.n, c, -1) : R(0);
  });
  if constexpr (O::before) {
    each_sum(
        o.tokens, o.n, [&](int i, int c) { return Q[cpu::read_row<M>(i) * o.ln + c] * o.bonus[i * o.ln + c]; },
        [&](int i, R sum) {
          if constexpr (traits<M>::stabilised) sum = sum * o.bonus_scale[i];
          p[i] = sum;
        });
    if constexpr (traits<M>::stabilised)
      each2(o.tokens, o.n, [&](int i, int c) { Q[cpu::read_row<M>(i) * o.ln + c] = Q[cpu::read_row<M>(i) * o.ln + c] * o.read_scale[i]; });
  }
  if constexpr (O::turns)
    each2(o.tokens, half, [&](int i, int k) {
      const int r = cpu::read_row<M>(i), turned_by = O::before ? r - 1 : r;
      if (turned_by >= 0 || o.onward) o.turn_pair(turned_by, k, -1, Q + r * o.ln);
    });
}

template <class M, class R, class Frame>
__device__ __noinline__ void lower_reads(const Frame& frame_there, const operands<M, R>& o_there, int from, R* Q, R* p) {
  const Frame f = frame_there;
  const operands<M, R> o = o_there;
  lower_reads_inline<M>(f, o, from, Q, p);
}

}  // namespace coefdyn::cuda::generic
