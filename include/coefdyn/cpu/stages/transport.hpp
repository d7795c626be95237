// SPDX-License-Identifier: MIT
#pragma once
#include "raise.hpp"

/// The adjoint of x <- A_t x on all columns at once, as the structure reads; for a user's linear map, by apply_transposed and
/// dual numbers over its streams. Used by the definition and the recurrent form.
namespace coefdyn::cpu {

/// Gradients of one timeline row's operands, not turned, summed over everything that used them.
template <class M, class R>
struct row_gradients {
  using O = operands<M, R>;
  R *K = nullptr, *row = nullptr, *col = nullptr, *V = nullptr, *g = nullptr, *angle = nullptr, *s = nullptr, *b = nullptr,
    *bonus = nullptr;
  int n = 0, e = 0, width = 1;
  row_gradients() = default;
  row_gradients(arena& a, idx rows, int n_, int e_) : n(traits<M>::lowered(n_)), e(e_), width(O::channel ? n : 1) {
    K = a.take<R>(rows * n), row = a.take<R>(O::corrects ? rows * n : 0), col = a.take<R>(O::corrects ? rows * n : 0),
    V = a.take<R>(rows * e);
    g = a.take<R>(rows * width), angle = a.take<R>(O::turns ? rows * (n / 2) : 0), s = a.take<R>(rows), b = a.take<R>(rows),
    bonus = a.take<R>(O::before ? rows * n : 0);
  }
  void clear(idx rows) {
    cpu::clear(K, rows * n), cpu::clear(V, rows * e), cpu::clear(g, rows * width), cpu::clear(s, rows), cpu::clear(b, rows);
    if (O::corrects) cpu::clear(row, rows * n), cpu::clear(col, rows * n);
    if (O::turns) cpu::clear(angle, rows * (n / 2));
    if (O::before) cpu::clear(bonus, rows * n);
  }
  /// As raise takes it: a tied column is the key itself.
  COEFDYN_HD row_gradient<R> at(idx r) const {
    if constexpr (O::tied)
      for (int c = 0; c < n; ++c) K[r * n + c] += col[r * n + c];
    return {.K = K + r * n,
            .row = O::corrects ? row + r * n : nullptr,
            .col = O::corrects ? col + r * n : nullptr,
            .V = V + r * e,
            .g = g + r * width,
            .angle = O::turns ? angle + r * (n / 2) : nullptr,
            .s = s[r],
            .b = b[r],
            .bonus = O::before ? bonus + r * n : nullptr};
  }
};

/// Where a user's map adds the gradient of its own streams: d.A(r, c) += ..., d.name[c] += ..., d.name[0] += ...
/// P is the row p with dL = Re(p' dx); a complex stream's gradient is the conjugate.
template <class E>
struct accumulator {
  E* p;
  template <class V>
  COEFDYN_HD void operator+=(const V& x) {
    if constexpr (is_complex<E>) *p = E{p->re + x.re, p->im - x.im};
    else *p += real_part(x);
  }
};
template <class E>
struct writer {
  E* p;
  int n;
  COEFDYN_HD accumulator<E> operator()(int r, int c) const { return {p + idx(r) * n + c}; }
  COEFDYN_HD accumulator<E> operator[](int c) const { return {p + c}; }
};
template <class R, class Needs>
struct writers;
template <class R, class... Need>
struct writers<R, list<Need...>> : Need::tag::template field<writer<element_of<Need, R>>>... {};
/// The streams of a map of n x n in row `to` of the gradients `d`.
template <class R, class Frame, class... Need>
writers<R, list<Need...>> writers_of(Frame& d, idx to, int n, list<Need...>) {
  return {{writer<element_of<Need, R>>{d.template where<Need>(to, 0), n}}...};
}

template <class M, class R, class Frame, class X, class... Need>
void map_parameters(const Frame& f, idx i, idx position, const state_matrix<X>& x, const state_matrix<X>& p, X* work, Frame& d, idx to,
                    list<Need...>) {
  using A = typename M::evolution;
  const auto at = f.at(i, 0, position);
  auto out = writers_of<R>(d, to, at.n, list<Need...>{});
  for (int v = 0; v < x.columns; ++v) {
    const column_view<X> xv{x.p + v, x.stride}, pv{p.p + v, p.stride};
    if constexpr (requires { A::pull_back(at, pv, xv, out); }) {
      A::pull_back(at, pv, xv, out);
    } else {
      using D = std::conditional_t<is_complex<X>, complex<dual<R>>, dual<R>>;
      D* lifted = reinterpret_cast<D*>(work);
      for_each_need(list<Need...>{}, [&]<class N>(N) {
        const int count = int(inner_size<N>(at.n, at.d, 1)) * (N::over == field::complex ? 2 : 1);
        for (int element = 0; element < count; ++element) {
          for (int c = 0; c < at.n; ++c) {
            if constexpr (is_complex<X>) lifted[c] = D{dual<R>(xv[c].re), dual<R>(xv[c].im)};
            else lifted[c] = D(xv[c]);
          }
          A::apply(f.template lifted<typename N::tag, seed::single>(i, 0, position, element), column_view<D>{lifted, 1});
          R total(0);
          for (int c = 0; c < at.n; ++c) {
            if constexpr (is_complex<X>) total += pv[c].re * lifted[c].re.d - pv[c].im * lifted[c].im.d;
            else total += pv[c] * lifted[c].d;
          }
          put<N>(d, to, 0, element, total);
        }
      });
    }
  }
}

// Inlined, so that the definition, whose states are one column, has loops of that length.

/// d(log decay) and d(angle) of timeline row r, from p behind the decay and the decayed state.
template <class M, class R, class X>
[[gnu::always_inline]] inline void decay_backward(idx r, const state_matrix<X>& p, const state_matrix<X>& decayed, int n,
                                                  row_gradients<M, R>& g) {
  using O = operands<M, R>;
  constexpr turning turns = traits<M>::structure.turns;
  const int columns = p.columns;
  if constexpr (O::evolution_decays) {  // braces: nvcc loses its place in a discarded loop without them
    R* out = g.g + r * g.width;
    for (int c = 0; c < n; ++c) {
      R t(0);
      for (int v = 0; v < columns; ++v) t += real_part(p(c, v) * decayed(c, v));
      out[O::channel ? c : 0] += t;
    }
  }
  if constexpr (turns == turning::channels) {
    for (int c = 0; c < n; ++c)
      for (int v = 0; v < columns; ++v) g.angle[r * n + c] -= (p(c, v) * decayed(c, v)).im;
  } else if constexpr (O::turns) {
    for (int q = 0; q < n / 2; ++q) {
      const channel_pair pair = pair_of(turns, q, n);
      for (int v = 0; v < columns; ++v) g.angle[r * (n / 2) + q] += p(pair.y, v) * decayed(pair.x, v) - p(pair.x, v) * decayed(pair.y, v);
    }
  }
}
/// d(row), d(col) and d(strength) of timeline row r, from p behind the correction and the state that the row reads; `work`: col'p is left
/// in its second `columns` numbers.
template <class M, class R, class At, class X>
[[gnu::always_inline]] inline void correction_backward(const At& at, idx r, R strength, const state_matrix<X>& p,
                                                       const state_matrix<X>& read, X* work, row_gradients<M, R>& g) {
  using A = typename M::evolution;
  const int n = at.n, columns = p.columns;
  X *dot = work, *pc = work + columns;  // row'x and col'p
  for (int v = 0; v < columns; ++v) dot[v] = pc[v] = X(R(0));
  for (int c = 0; c < n; ++c) {
    const R a = R(A::row(at, c)), b = R(column_of<A>(at, c));
    for (int v = 0; v < columns; ++v) dot[v] += a * read(c, v), pc[v] += b * p(c, v);
  }
  for (int c = 0; c < n; ++c) {
    R row_sum(0), column_sum(0);
    for (int v = 0; v < columns; ++v) row_sum += real_part(pc[v] * read(c, v)), column_sum += real_part(p(c, v) * dot[v]);
    g.row[r * g.n + c] += strength * row_sum;
    g.col[r * g.n + c] += strength * column_sum;
  }
  for (int v = 0; v < columns; ++v) g.s[r] += real_part(pc[v] * dot[v]);
}
/// The structured map's part of evolve_backward.
template <class M, class R, class At, class X>
[[gnu::always_inline]] inline void structured_backward(const At& at, idx r, int l, const state_matrix<X>& x, const state_matrix<X>& p,
                                                       const state_matrix<X>& decayed, X* work, row_gradients<M, R>& g, R extra) {
  using A = typename M::evolution;
  using O = operands<M, R>;
  constexpr bool row_sees_decayed = traits<M>::structure.row_sees == sees::decayed;
  const int n = at.n, columns = x.columns;
  for (int c = 0; c < n; ++c)
    for (int v = 0; v < columns; ++v) decayed(c, v) = x(c, v);
  if (l == 0) coefdyn::detail::decay<A>(at, decayed, false, extra);
  const auto through_decay = [&] {
    if (l != 0) return;
    decay_backward<M, R>(r, p, decayed, n, g);
    coefdyn::detail::decay<A>(at, p, true, extra);
  };
  if constexpr (O::corrects) {
    const R strength = R(A::strength(at)) * (!row_sees_decayed && extra != R(0) ? math::exp(extra) : R(1));
    correction_backward<M, R>(at, r, strength, p, row_sees_decayed ? decayed : x, work, g);
    if constexpr (!row_sees_decayed) through_decay();
    for (int c = 0; c < n; ++c) {
      const R a = strength * R(A::row(at, c));
      for (int v = 0; v < columns; ++v) p(c, v) += a * work[columns + v];
    }
    if constexpr (row_sees_decayed) through_decay();
  } else {
    through_decay();
  }
}

/// p becomes A_t' p; gradients of the row's operands (structured) or of the map's streams (into `d`) are added.
/// x: the state before. `decayed`: scratch like x; `work`: 2 x.columns + 2 n numbers. `extra` as in evolve; `to`: row of `d`.
template <class M, class R, class Frame, class X>
void evolve_backward(const Frame& f, idx i, int l, idx position, const state_matrix<X>& x, const state_matrix<X>& p,
                     const state_matrix<X>& decayed, X* work, row_gradients<M, R>& g, Frame& d, idx to, R extra = R(0)) {
  using A = typename M::evolution;
  const auto at = f.at(i, l, position);
  if constexpr (traits<M>::structured) {
    structured_backward<M, R>(at, i * traits<M>::micro + l, l, x, p, decayed, work, g, extra);
  } else {
    if (extra != R(0)) {  // the map was e^extra A
      const R factor = math::exp(extra);
      for (int c = 0; c < at.n; ++c)
        for (int v = 0; v < x.columns; ++v) p(c, v) = factor * p(c, v);
    }
    map_parameters<M, R>(f, i, position, x, p, work, d, to, coefdyn::detail::streams_t<A>{});
    evolve<A, true>(at, p, work);
  }
}

}  // namespace coefdyn::cpu
