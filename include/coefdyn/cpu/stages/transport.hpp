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
    const auto zero = [](R* p, idx count) {
      for (idx i = 0; i < count; ++i) p[i] = R(0);
    };
    zero(K, rows * n), zero(V, rows * e), zero(g, rows * width), zero(s, rows), zero(b, rows);
    if (O::corrects) zero(row, rows * n), zero(col, rows * n);
    if (O::turns) zero(angle, rows * (n / 2));
    if (O::before) zero(bonus, rows * n);
  }
  /// As raise takes it: a tied column is the key itself.
  COEFDYN_HD row_gradient<R> at(idx r) const {
    if constexpr (O::tied)
      for (int c = 0; c < n; ++c) K[r * n + c] += col[r * n + c];
    return {K + r * n,
            O::corrects ? row + r * n : nullptr,
            O::corrects ? col + r * n : nullptr,
            V + r * e,
            g + r * width,
            O::turns ? angle + r * (n / 2) : nullptr,
            s[r],
            b[r],
            O::before ? bonus + r * n : nullptr};
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

template <class M, class R, class Frame, class X, class... Need>
void map_parameters(const Frame& f, idx i, idx position, const state_matrix<X>& x, const state_matrix<X>& p, X* work, Frame& d, idx to,
                    list<Need...>) {
  using A = typename M::evolution;
  const auto at = f.at(i, 0, position);
  writers<R, list<Need...>> out{{writer<element_of<Need, R>>{d.template where<Need>(to, 0), at.n}}...};
  for (int v = 0; v < x.columns; ++v) {
    const column_view<X> xv{x.p + v, x.stride}, pv{p.p + v, p.stride};
    if constexpr (requires { A::pull_back(at, pv, xv, out); }) {
      A::pull_back(at, pv, xv, out);
    } else {
      using D = std::conditional_t<is_complex<X>, complex<dual<R>>, dual<R>>;
      D* lifted = reinterpret_cast<D*>(work);
      (
          [&] {
            const int count = int(inner_size<Need>(at.n, at.d, 1)) * (Need::over == field::complex ? 2 : 1);
            for (int element = 0; element < count; ++element) {
              for (int c = 0; c < at.n; ++c) {
                if constexpr (is_complex<X>) lifted[c] = D{dual<R>(xv[c].re), dual<R>(xv[c].im)};
                else lifted[c] = D(xv[c]);
              }
              A::apply(f.template lifted<typename Need::tag, seed::single>(i, 0, position, element), column_view<D>{lifted, 1});
              R total(0);
              for (int c = 0; c < at.n; ++c) {
                if constexpr (is_complex<X>) total += pv[c].re * lifted[c].re.d - pv[c].im * lifted[c].im.d;
                else total += pv[c] * lifted[c].d;
              }
              put<Need>(d, to, 0, element, total);
            }
          }(),
          ...);
    }
  }
}

/// p becomes A_t' p; gradients of the row's operands (structured) or of the map's streams (into `d`) are added.
/// x: the state before. `decayed`: scratch like x; `work`: 2 x.columns + 2 n numbers. `extra` as in evolve; `to`: row of `d`.
template <class M, class R, class Frame, class X>
void evolve_backward(const Frame& f, idx i, int l, idx position, const state_matrix<X>& x, const state_matrix<X>& p,
                     const state_matrix<X>& decayed, X* work, row_gradients<M, R>& g, Frame& d, idx to, R extra = R(0)) {
  using A = typename M::evolution;
  const auto at = f.at(i, l, position);
  const int n = at.n, columns = x.columns;
  if constexpr (!traits<M>::structured) {
    if (extra != R(0)) {  // the map was e^extra A
      const R factor = math::exp(extra);
      for (int c = 0; c < n; ++c)
        for (int v = 0; v < columns; ++v) p(c, v) = factor * p(c, v);
    }
    map_parameters<M, R>(f, i, position, x, p, work, d, to, coefdyn::detail::streams_t<A>{});
    evolve<A, true>(at, p, work);
  } else {
    using O = operands<M, R>;
    constexpr structure_of s = traits<M>::structure;
    const idx r = i * traits<M>::micro + l;
    for (int c = 0; c < n; ++c)
      for (int v = 0; v < columns; ++v) decayed(c, v) = x(c, v);
    if (l == 0) coefdyn::detail::decay<A>(at, decayed, false, extra);
    const auto gates = [&] {  // from p and the decayed state: d(log decay), d(angle)
      if (l != 0) return;
      R* out = g.g + r * g.width;
      if constexpr (O::gated) {  // braces: nvcc loses its place in a discarded loop without them
        for (int c = 0; c < n; ++c) {
          R t(0);
          for (int v = 0; v < columns; ++v) t += real_part(p(c, v) * decayed(c, v));
          out[O::channel ? c : 0] += t;
        }
      }
      if constexpr (traits<M>::structure.turns == turning::channels) {
        for (int c = 0; c < n; ++c)
          for (int v = 0; v < columns; ++v) g.angle[r * n + c] -= (p(c, v) * decayed(c, v)).im;
      } else if constexpr (O::turns) {
        for (int q = 0; q < n / 2; ++q) {
          const channel_pair at_pair = pair_of(traits<M>::structure.turns, q, n);
          for (int v = 0; v < columns; ++v)
            g.angle[r * (n / 2) + q] += p(at_pair.y, v) * decayed(at_pair.x, v) - p(at_pair.x, v) * decayed(at_pair.y, v);
        }
      }
    };
    if constexpr (O::corrects) {
      X *dot = work, *pc = work + columns;  // row'x and col'p
      const R strength = R(A::strength(at)) * (s.row_sees == sees::undecayed && extra != R(0) ? math::exp(extra) : R(1));
      const state_matrix<X>& seen_by_row = s.row_sees == sees::decayed ? decayed : x;
      for (int v = 0; v < columns; ++v) dot[v] = pc[v] = X(R(0));
      for (int c = 0; c < n; ++c) {
        const R a = R(A::row(at, c)), b = R(column_of<A>(at, c));
        for (int v = 0; v < columns; ++v) dot[v] += a * seen_by_row(c, v), pc[v] += b * p(c, v);
      }
      for (int c = 0; c < n; ++c) {
        R row_sum(0), column_sum(0);
        for (int v = 0; v < columns; ++v) row_sum += real_part(pc[v] * seen_by_row(c, v)), column_sum += real_part(p(c, v) * dot[v]);
        g.row[r * g.n + c] += strength * row_sum;
        g.col[r * g.n + c] += strength * column_sum;
      }
      for (int v = 0; v < columns; ++v) g.s[r] += real_part(pc[v] * dot[v]);
      if constexpr (s.row_sees == sees::undecayed) {
        gates();
        if (l == 0) coefdyn::detail::decay<A>(at, p, true, extra);
      }
      for (int c = 0; c < n; ++c) {
        const R a = strength * R(A::row(at, c));
        for (int v = 0; v < columns; ++v) p(c, v) += a * pc[v];
      }
      if constexpr (s.row_sees == sees::decayed) {
        gates();
        if (l == 0) coefdyn::detail::decay<A>(at, p, true, extra);
      }
    } else {
      gates();
      if (l == 0) coefdyn::detail::decay<A>(at, p, true, extra);
    }
  }
}

}  // namespace coefdyn::cpu
