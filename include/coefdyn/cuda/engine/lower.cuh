// SPDX-License-Identifier: MIT
#pragma once
#include "../../cpu/stages/lower.hpp"
#include "frame.cuh"
#include "keyed.cuh"
#include "operands.cuh"

/// Lowering by a team: the operands of cpu/stages/lower.hpp, from a frame in a block's memory. No policy is seen below this line.
///
/// Angles add up in double. Where they are constant, forward passes turn everything from the sequence's start (`onward`): P of a row is
/// its token's number times theta, so that queries and states cross tiles and chunks as they are, exact over any length, and a state is
/// turned where it leaves. Angles with a time axis, the step's windows and all backward passes count P from the chunk's start. There states
/// are turned in double from chunk to chunk, an unbiased rounding each. What is left in R: the parallel form's queries and states from tile
/// to tile (tile_summary), scores 4e-5 of |q||k| off after 200,000 keys in float; and the forms that take token by token (recurrent, scan,
/// definition), by cos and sin of each token's angle.
namespace coefdyn::cuda::generic {

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
