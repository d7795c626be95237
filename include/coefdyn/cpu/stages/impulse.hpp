// SPDX-License-Identifier: MIT
#pragma once
#include <type_traits>
#include <utility>

#include "head.hpp"
#include "lower.hpp"
#include "machine.hpp"

/// A time-invariant mixer's answer to an impulse, the kernel of its convolution: K_t = q' A^t b k / eta. Every t is g C + l with l < C,
/// about the root of T, so that all of it is one product of two short walks:
///
///   K_(g C + l) = (A'^(g C) q)' (A^l b k) / eta
///
/// A diagonal A walks by e^(t log lambda), complex ones included; any other by its powers A, A^2, A^4 .. A^C, each the last one's square. A
/// mixer that reads before it writes has K_0 = q' diag(u) b k, and K_t = q' A^(t-1) b k.
namespace coefdyn::cpu {

/// [Re; Im] of channel c as one number, or its only part.
template <class E, class R>
E number_of(const R* x, int n, int c) {
  if constexpr (is_complex<E>) return {x[c], x[n + c]};
  else return x[c];
}
/// Puts it there.
template <class E, class R>
void put_number(R* x, int n, int c, const E& value) {
  if constexpr (is_complex<E>) x[c] = value.re, x[n + c] = value.im;
  else x[c] = value;
}
/// The conjugate of a complex number; a real one is its own.
template <class E>
E conjugate(const E& x) {
  if constexpr (is_complex<E>) return conj(x);
  else return x;
}

template <class M, class R, class X>
struct impulse_response {
  using traits_ = traits<M>;
  using A = typename M::evolution;
  using E = state_element<M, R>;
  static constexpr bool diagonal = traits_::structured && traits_::structure.correction == rank_one::none &&
                                   (traits_::structure.turns == turning::none || traits_::structure.turns == turning::channels);
  static constexpr bool before = traits_::structure.order == reads::before_write;
  static constexpr int lag = before ? 1 : 0;  // writes are read that much later
  state_frame<M, R, X::over> in;              // the write, token 0
  reader_frame<M, R, X::over> query;          // one reader's
  products<R> machine = products<R>::best();
  int n = 0, width = 0, fine = 1, coarse = 1, levels = 0;  // width: of a lowered row; fine = C = 2^levels
  idx time = 0;
  E *near = nullptr, *far = nullptr;  // diagonal: lambda^l (fine, n), lambda^(g C) (coarse, n)
  R* powers = nullptr;                // else: A^(2^k), lowered (levels + 1, width, width)
  R *H = nullptr, *Q = nullptr;       // rows [Re; Im] of A^l b k (fine, width), and [Re; -Im] of A'^(g C) q (coarse, width)
  R* K = nullptr;                     // (coarse fine), without 1 / eta
  R* out = nullptr;                   // K_t (time)
  E* columns = nullptr;               // (n, n), where a map has no entries to ask for
  E* work = nullptr;
  R* scratch = nullptr;
  R b{}, factor{}, own{};  // factor: 1 / eta; own: q' diag(u) b k / b, of a mixer that reads first

  impulse_response() = default;
  impulse_response(arena& a, const extents& size, idx tokens)
      : in(a, {.n = size.n, .d = size.d, .e = value_width<M>(size.d), .tokens = 1}),
        query(a, {.n = size.n, .d = size.d, .e = value_width<M>(size.d), .tokens = 1}),
        n(size.n),
        width(traits_::lowered(size.n)),
        time(tokens) {
    const idx reach = tokens > lag + 1 ? tokens - lag : 1;
    while (idx(fine) * fine < reach) fine *= 2, ++levels;
    coarse = int((reach + fine - 1) / fine);
    if (diagonal) near = a.take<E>(idx(fine) * n), far = a.take<E>(idx(coarse) * n);
    else powers = a.take<R>(idx(levels + 1) * width * width), columns = a.take<E>(idx(n) * n);
    H = a.take<R>(idx(fine) * width), Q = a.take<R>(idx(coarse) * width), K = a.take<R>(idx(coarse) * fine), out = a.take<R>(time);
    work = a.take<E>(4 * idx(n)), scratch = a.take<R>(3 * idx(n));
  }
  R* power(int level) const { return powers + idx(level) * width * width; }

  /// The write of the state head: A^l b k.
  void write(const X& x, const extents& e, const head_place& head) {
    gather<M>(x, e, head.s, head.at(0), 0, 1, true, in, scratch);
    const auto at = in.at(0, 0, 0);
    b = write_b<M>(at, R(0));
    for (int c = 0; c < n; ++c) put_number(H, n, c, b * write_key<M, E>(at, c));
    if constexpr (diagonal) walk_channels(at);
    else walk_powers(at);
  }
  /// The read by reader r: fills `out`.
  void read(const X& x, const extents& e, const head_place& head, int r) {
    gather<M>(x, e, head.s, head.at(r), e.first_read, 1, true, query, scratch);
    const auto at = query.at(0, 0, 0);
    for (int c = 0; c < n; ++c) put_number(Q, n, c, conjugate(E(at.q[c])));
    for (int g = 1; g < coarse; ++g) {
      R* row = Q + idx(g) * width;
      if constexpr (diagonal) {
        for (int c = 0; c < n; ++c) put_number(row, n, c, conjugate(far[idx(g) * n + c] * E(at.q[c])));
      } else {
        clear(row, width);
        machine.nn(1, width, width, row - width, width, power(levels), width, row, width);
      }
    }
    clear(K, idx(coarse) * fine);
    machine.nt(coarse, fine, width, Q, width, H, width, K, fine);
    factor = inverse_eta<typename M::normalization>(R(0), R(0), at);
    for (idx t = lag; t < time; ++t) out[t] = factor * K[t - lag];
    if constexpr (before) {
      const auto written = in.at(0, 0, 0);
      own = R(0);
      for (int c = 0; c < n; ++c) own += real_part((R(A::bonus(written, c)) * E(at.q[c])) * write_key<M, E>(written, c));
      if (time > 0) out[0] = factor * (b * own);
    }
  }

 private:
  template <class At>
  void walk_channels(const At& at) {
    for (int c = 0; c < n; ++c) {
      const R decay = R(log_decay_of<A>(at, c));
      R angle(0);
      if constexpr (traits_::complex_state) angle = R(A::angle(at, c));
      const auto to = [&](idx t) {
        if (t == 0) return E(R(1));  // also of lambda = 0
        if constexpr (is_complex<E>) return math::polar_exp(R(t) * decay, R(t) * angle);
        else return math::exp(R(t) * decay);
      };
      for (int l = 0; l < fine; ++l) near[idx(l) * n + c] = to(l);
      for (int g = 0; g < coarse; ++g) far[idx(g) * n + c] = to(idx(g) * fine);
      const E bk = number_of<E>(H, n, c);
      for (int l = 1; l < fine; ++l) put_number(H + idx(l) * width, n, c, near[idx(l) * n + c] * bk);
    }
  }
  template <class At>
  void walk_powers(const At& at) {
    take_map(at);
    for (int k = 0; k < levels; ++k) {
      const int s = 1 << k;
      clear(H + idx(s) * width, idx(s) * width);
      machine.nt(s, width, width, H, width, power(k), width, H + idx(s) * width, width);
      R* next = power(k + 1);
      clear(next, idx(width) * width);
      machine.nn(width, n, width, power(k), width, power(k), width, next, width);
      mirror(next);
    }
  }
  template <class At>
  void take_map(const At& at) {
    R* map = power(0);
    const auto put = [&](int r, int c, const E& value) { put_number(map + c, n * width, r * width, value); };
    if constexpr (requires { A::entry(at, 0, 0); }) {
      for (int r = 0; r < n; ++r)
        for (int c = 0; c < n; ++c) put(r, c, E(A::entry(at, r, c)));
    } else {
      identity();
      evolve<A, false>(at, state_matrix<E>{columns, n, n}, work);
      for (int r = 0; r < n; ++r)
        for (int c = 0; c < n; ++c) put(r, c, columns[idx(r) * n + c]);
    }
    mirror(map);
  }

 public:
  void identity() {
    clear(columns, idx(n) * n);
    for (int c = 0; c < n; ++c) columns[idx(c) * n + c] = E(R(1));
  }
  /// The right half of a complex matrix [Re -Im; Im Re] from its left.
  void mirror(R* map) const {
    if constexpr (traits_::complex_state)
      for (int r = 0; r < n; ++r)
        for (int c = 0; c < n; ++c) {
          map[idx(r) * width + n + c] = -map[idx(r + n) * width + c];
          map[idx(r + n) * width + n + c] = map[idx(r) * width + c];
        }
  }
};

}  // namespace coefdyn::cpu
