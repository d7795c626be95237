// SPDX-License-Identifier: MIT
#pragma once
#include "math.hpp"
#include "structure.hpp"
#include "token.hpp"

/// x <- A_t x and x <- A_t' x for every evolution, on all columns of a matrix at once: written as the structure reads.
namespace coefdyn {

/// n rows (channels) by `columns` of real or complex numbers.
template <class X>
struct state_matrix {
  X* p;
  idx stride;  // from channel to channel
  int columns;
  COEFDYN_HD X& operator()(int c, int column) const { return p[c * stride + column]; }
};
/// One column, as a linear map of the user's sees it.
template <class X>
struct column_view {
  X* p;
  idx stride;
  COEFDYN_HD X& operator[](int c) const { return p[c * stride]; }
};

/// log lambda_t of channel c as the structure has it: 0, one a head, or one a channel.
template <class E, class At>
COEFDYN_HD auto log_decay_of(const At& at, int c) {
  using R = typename At::real;
  if constexpr (structure_v<E>.decay == decaying::none) return R(0);
  else if constexpr (structure_v<E>.decay == decaying::scalar) return R(E::log_decay(at));
  else return R(E::log_decay(at, c));
}
/// Channel c of the column of A_t's rank-one part: k_t, or the policy's own.
template <class E, class At>
COEFDYN_HD auto column_of(const At& at, int c) {
  if constexpr (structure_v<E>.correction == rank_one::along_key) return at.k[c];
  else return E::column(at, c);
}

namespace detail {
// `extra` joins the log decay: the running maximum's e^(m_{t-1} - m_t), whose sum with it is never positive
template <class E, class At, class X>
COEFDYN_HD void decay(const At& at, const state_matrix<X>& x, bool transposed, typename At::real extra = typename At::real(0)) {
  using R = typename At::real;
  constexpr structure_of s = structure_v<E>;
  if constexpr (s.turns == turning::channels) {
    for (int c = 0; c < at.n; ++c) {
      const auto lambda = math::polar_exp(R(log_decay_of<E>(at, c)) + extra, R(E::angle(at, c)));
      for (int v = 0; v < x.columns; ++v) x(c, v) = lambda * x(c, v);
    }
  } else {
    if (s.decay == decaying::scalar || (s.decay == decaying::none && extra != R(0))) {
      const R lambda = math::exp(log_decay_of<E>(at, 0) + extra);
      for (int c = 0; c < at.n; ++c)
        for (int v = 0; v < x.columns; ++v) x(c, v) = lambda * x(c, v);
    }
    if constexpr (s.decay == decaying::channel) {
      for (int c = 0; c < at.n; ++c) {
        const R lambda = math::exp(R(E::log_decay(at, c)) + extra);
        for (int v = 0; v < x.columns; ++v) x(c, v) = lambda * x(c, v);
      }
    }
    if constexpr (s.turns != turning::none) {
      for (int p = 0; p < at.n / 2; ++p) {
        const R angle = transposed ? -R(E::angle(at, p)) : R(E::angle(at, p));
        const R co = math::cos(angle), si = math::sin(angle);
        const channel_pair i = pair_of(s.turns, p, at.n);
        for (int v = 0; v < x.columns; ++v) {
          const X a = x(i.x, v), b = x(i.y, v);
          x(i.x, v) = co * a - si * b;
          x(i.y, v) = si * a + co * b;
        }
      }
    }
  }
}
}  // namespace detail

/// x <- e^extra A_t x (or its transpose); `work` holds x.columns numbers.
template <class E, bool Transposed, class At, class X>
COEFDYN_HD void evolve(const At& at, const state_matrix<X>& x, X* work, typename At::real extra = typename At::real(0)) {
  if constexpr (!declares_structure<E>) {
    for (int v = 0; v < x.columns; ++v) {
      if constexpr (Transposed) E::apply_transposed(at, column_view<X>{x.p + v, x.stride});
      else E::apply(at, column_view<X>{x.p + v, x.stride});
    }
    if (extra != typename At::real(0)) {
      const auto f = math::exp(extra);
      for (int c = 0; c < at.n; ++c)
        for (int v = 0; v < x.columns; ++v) x(c, v) = f * x(c, v);
    }
  } else {
    using R = typename At::real;
    constexpr structure_of s = structure_v<E>;
    const bool decays = at.micro_step == 0;
    if constexpr (s.correction == rank_one::none) {
      if (decays) detail::decay<E>(at, x, Transposed, extra);
    } else {
      const auto left = [&](int c) { return Transposed ? R(column_of<E>(at, c)) : R(E::row(at, c)); };
      const auto right = [&](int c) { return Transposed ? R(E::row(at, c)) : R(column_of<E>(at, c)); };
      constexpr bool decay_first = s.row_sees == sees::decayed && !Transposed;
      if (decay_first && decays) detail::decay<E>(at, x, Transposed, extra);
      for (int v = 0; v < x.columns; ++v) work[v] = X(R(0));
      for (int c = 0; c < at.n; ++c) {
        const R f = left(c);
        for (int v = 0; v < x.columns; ++v) work[v] += f * x(c, v);
      }
      if (s.row_sees == sees::undecayed && decays) detail::decay<E>(at, x, Transposed, extra);
      const R strength = R(E::strength(at)) * (s.row_sees == sees::undecayed && extra != R(0) ? math::exp(extra) : R(1));
      for (int c = 0; c < at.n; ++c) {
        const R f = strength * right(c);
        for (int v = 0; v < x.columns; ++v) x(c, v) += f * work[v];
      }
      if (s.row_sees == sees::decayed && Transposed && decays) detail::decay<E>(at, x, Transposed, extra);
    }
  }
}

}  // namespace coefdyn
