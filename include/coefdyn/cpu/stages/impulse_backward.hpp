// SPDX-License-Identifier: MIT
#pragma once
#include <utility>

#include "gradient_frames.hpp"
#include "impulse.hpp"
#include "transport.hpp"

/// From gradients of a convolution's kernel to those of the streams that it is made of. With K = Q H', dQ = dK H and dH = dK' Q. Diagonal:
/// d(log lambda) = sum l dH_l H_l + g C dQ_g Q_g, without differences. By powers: dA of each product in the order in which they were made.
namespace coefdyn::cpu {

template <class M, class R, class X>
struct impulse_gradients {
  using traits_ = traits<M>;
  using A = typename M::evolution;
  using E = state_element<M, R>;
  using response = impulse_response<M, R, X>;
  response& f;
  gradient_frames<M, R, X> grads;  // of one token
  row_gradients<M, R> rows;
  R *dK = nullptr, *dH = nullptr, *dQ = nullptr;  // (coarse fine), (fine, width), (coarse, width)
  E* exponent = nullptr;                          // diagonal: of log lambda, p with dL = Re(p d(log lambda)) (n)
  R *map = nullptr, *next = nullptr;              // else: of a power of A (width, width)
  E *p = nullptr, *decayed = nullptr;             // of A, for a map without entries (n, n)

  impulse_gradients(arena& a, const extents& e, response& r) : f(r), grads(a, e, 1), rows(a, 1, e.n, value_width<M>(e.d)) {
    const idx square = idx(f.width) * f.width;
    dK = a.take<R>(idx(f.coarse) * f.fine), dH = a.take<R>(idx(f.fine) * f.width), dQ = a.take<R>(idx(f.coarse) * f.width);
    if (response::diagonal) exponent = a.take<E>(f.n);
    else map = a.take<R>(square), next = a.take<R>(square), p = a.take<E>(idx(f.n) * f.n), decayed = a.take<E>(idx(f.n) * f.n);
  }
  /// Before the readers of a state.
  void open() {
    rows.clear(1);
    clear(dH, idx(f.fine) * f.width);
    if constexpr (response::diagonal) clear(exponent, f.n);
    else clear(map, idx(f.width) * f.width);
  }
  /// After `f.read` of reader r: from `d`, the gradient of f.out (time), which is overwritten.
  void read(int r, R* d) {
    R dfactor(0);
    for (idx t = response::lag; t < f.time; ++t) dfactor += d[t] * f.K[t - response::lag];
    if (response::before && f.time > 0) dfactor += d[0] * (f.b * f.own);
    factor_backward<M>(f.query, 0, 0, R(0), R(0), dfactor, grads.readers[r], 0);
    clear(dK, idx(f.coarse) * f.fine), clear(dQ, idx(f.coarse) * f.width);
    for (idx t = response::lag; t < f.time; ++t) dK[t - response::lag] = f.factor * d[t];
    f.machine.nn(f.coarse, f.width, f.fine, dK, f.fine, f.H, f.width, dQ, f.width);
    f.machine.tn(f.fine, f.width, f.coarse, dK, f.fine, f.Q, f.width, dH, f.width);
    if constexpr (response::diagonal) read_by_channels();
    else read_by_powers();
    if constexpr (response::before)
      if (f.time > 0) own_read(f.factor * d[0]);
    raise_query<M>(0, dQ, grads.readers[r]);
  }
  /// After all readers of the state: gradients of the write and of A.
  void write() {
    if constexpr (response::diagonal) write_by_channels();
    else write_by_powers();
    const auto at = f.in.at(0, 0, 0);
    for (int c = 0; c < f.n; ++c) {
      const E dk = conjugate(number_of<E>(dH, f.n, c));  // of b k
      rows.b[0] += real_part(dk * write_key<M, E>(at, c));
      add_lowered(rows.K, f.n, c, f.b * dk);
    }
    raise_row<M>(f.in, 0, 0, 0, rows.at(0), f.b, R(1), grads.state, 0);
  }

 private:
  /// All of dQ into its first row, walking back.
  void read_by_channels() {
    for (int g = 1; g < f.coarse; ++g) {
      const R *d = dQ + idx(g) * f.width, *z = f.Q + idx(g) * f.width;
      for (int c = 0; c < f.n; ++c) {
        const E pz = number_of<E>(d, f.n, c);
        exponent[c] += R(idx(g) * f.fine) * (pz * conjugate(number_of<E>(z, f.n, c)));
        put_number(dQ, f.n, c, number_of<E>(dQ, f.n, c) + pz * f.far[idx(g) * f.n + c]);
      }
    }
  }
  void read_by_powers() {
    const int w = f.width;
    for (int g = f.coarse - 1; g > 0; --g) f.machine.nt(1, w, w, dQ + idx(g) * w, w, f.power(f.levels), w, dQ + idx(g - 1) * w, w);
    f.machine.tn(w, w, f.coarse - 1, f.Q, w, dQ + w, w, map, w);
  }
  /// All of dH into its first row, and what is left of the exponents.
  void write_by_channels() {
    for (int l = 1; l < f.fine; ++l) {
      const R *d = dH + idx(l) * f.width, *h = f.H + idx(l) * f.width;
      for (int c = 0; c < f.n; ++c) {
        const E ph = conjugate(number_of<E>(d, f.n, c));
        exponent[c] += R(l) * (ph * number_of<E>(h, f.n, c));
        put_number(dH, f.n, c, conjugate(conjugate(number_of<E>(dH, f.n, c)) + ph * f.near[idx(l) * f.n + c]));
      }
    }
    using O = operands<M, R>;
    for (int c = 0; c < f.n; ++c) {
      if constexpr (O::evolution_decays) rows.g[O::channel ? c : 0] += real_part(exponent[c]);
      if constexpr (traits_::complex_state && O::turns) rows.angle[c] -= exponent[c].im;
    }
  }
  void write_by_powers() {
    const int w = f.width;
    project(map);
    for (int k = f.levels - 1; k >= 0; --k) {
      const int s = 1 << k;
      R *near = dH, *far = dH + idx(s) * w, *power = f.power(k);
      clear(next, idx(w) * w);  // A^(2 s) is the square of A^s
      f.machine.nt(w, f.n, w, map, w, power, w, next, w);
      f.machine.tn(w, f.n, w, power, w, map, w, next, w);
      f.mirror(next);
      f.machine.tn(w, w, s, far, w, f.H, w, next, w);  // and rows s .. 2 s are rows 0 .. s through A^s
      f.machine.nn(s, w, w, far, w, power, w, near, w);
      project(next);
      std::swap(map, next);
    }
    leave_map();
  }
  /// The part of a lowered complex matrix's gradient that is one: [Re -Im; Im Re].
  void project(R* G) const {
    const int n = f.n, w = f.width;
    if constexpr (traits_::complex_state) {
      for (int r = 0; r < n; ++r)
        for (int c = 0; c < n; ++c) {
          R *top = G + idx(r) * w + c, *bottom = G + idx(r + n) * w + c;
          *top = (*top + bottom[n]) / 2, *bottom = (*bottom - top[n]) / 2;
        }
      f.mirror(G);
    }
  }
  /// dA to the streams of A.
  void leave_map() {
    const int n = f.n, w = f.width;
    const auto of_entry = [&](int r, int c) {  // twice: the projection has halved what both halves of the matrix give
      if constexpr (traits_::complex_state) return R(2) * conjugate(number_of<E>(map + c, n * w, r * w));
      else return map[idx(r) * w + c];
    };
    const auto at = f.in.at(0, 0, 0);
    if constexpr (requires { A::entry(at, 0, 0); }) {
      auto out = writers_of<R>(grads.state, 0, n, coefdyn::detail::streams_t<A>{});
      for (int r = 0; r < n; ++r)
        for (int c = 0; c < n; ++c) A::pull_back_entry(at, r, c, of_entry(r, c), out);
    } else {
      for (int r = 0; r < n; ++r)
        for (int c = 0; c < n; ++c) p[idx(r) * n + c] = of_entry(r, c);
      f.identity();
      evolve_backward<M, R>(f.in, 0, 0, 0, state_matrix<E>{f.columns, n, n}, state_matrix<E>{p, n, n}, state_matrix<E>{decayed, n, n},
                            f.work, rows, grads.state, 0);
    }
  }
  /// K_0 = q' diag(u) b k / eta of a mixer that reads before it writes; g: of that without eta.
  void own_read(R g) {
    const auto at = f.in.at(0, 0, 0);
    const auto q_at = f.query.at(0, 0, 0);
    rows.b[0] += f.own * g;
    for (int c = 0; c < f.n; ++c) {
      const E k = (f.b * g * R(A::bonus(at, c))) * write_key<M, E>(at, c);
      put_number(dQ, f.n, c, number_of<E>(dQ, f.n, c) + k);
      add_lowered(rows.bonus, f.n, c, (f.b * g) * E(q_at.q[c]));
    }
  }
};

}  // namespace coefdyn::cpu
