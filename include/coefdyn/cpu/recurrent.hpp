// SPDX-License-Identifier: MIT
#pragma once
#include "head.hpp"
#include "transport.hpp"

/// The recurrent form, token by token (Lemma 1: linear readouts only); a step is the same loop over a few tokens.
///
///   S_i = A_i S_{i-1} + b_i k_i v_i',   y_i = S_i' q_i / eta_i;   with a sum, z rides along as one more value column
namespace coefdyn::cpu {

template <class M, class R, class X>
struct recurrent_head {
  using T = traits<M>;
  using A = typename M::evolution;
  using E = state_element<M, R>;
  static constexpr idx window = 64;  // tokens whose streams are gathered at once
  state_frame<M, R, X::over> in;
  reader_frame<M, R, X::over> reads;
  int n = 0, e = 0;
  E *S = nullptr, *work = nullptr;
  R *numerator = nullptr, *scratch = nullptr;
  R m{};

  recurrent_head() = default;
  recurrent_head(arena& a, const extents& x, idx tokens)
      : in(a, {x.n, x.d, value_width<M>(x.d), tokens < window ? tokens : window}), reads(a, {x.n, x.d, value_width<M>(x.d), 1}),
        n(x.n), e(value_width<M>(x.d)), S(a.take<E>(idx(x.n) * e)), work(a.take<E>(4 * idx(e) + 4 * x.n)), numerator(a.take<R>(e)), scratch(a.take<R>(3 * x.n)) {}

  state_matrix<E> state() const { return {S, e, e}; }

  /// Token i of the window: evolve and write at each micro-step. With exp(i) scaling, S stays scaled by e^-m.
  void advance(int i, idx position) {
    R extra(0);
    if constexpr (T::stabilised) extra = next_maximum<M>(in, i, position, m);
    for (int l = 0; l < T::micro; ++l) {
      const auto at = in.at(i, l, position);
      evolve<A, false>(at, state(), work, l == 0 ? extra : R(0));
      if (T::structure.writes_each || l == T::micro - 1)
        for (int c = 0; c < n; ++c) {
          const E k = (write_factor(at) * R(scale_of<typename M::scaling>(at, c))) * E(at.k[c]);
          for (int u = 0; u < e; ++u) S[c * e + u] += R(at.v[u]) * k;
        }
    }
  }
  /// The exponential part of b, the maximum taken out.
  template <class At>
  R write_factor(const At& at) const {
    if constexpr (T::exponential) return math::exp(R(M::scaling::log_scale(at)) - (T::stabilised ? m : R(0)));
    else return R(1);
  }
  /// numerator = S'q of token i (and the sum); a mixer that reads first adds its bonus on the token's own write.
  template <class At>
  void read(const At& q_at, int i, idx position) {
    const auto at = in.at(i, T::micro - 1, position);
    for (int u = 0; u < e; ++u) numerator[u] = R(0);
    R own(0);
    for (int c = 0; c < n; ++c) {
      const E q = E(q_at.q[c]);
      for (int u = 0; u < e; ++u) numerator[u] += real_part(q * S[c * e + u]);
      if constexpr (T::structure.order == reads::before_write)
        own += real_part((R(A::bonus(at, c)) * R(scale_of<typename M::scaling>(at, c))) * (q * E(at.k[c])));
    }
    if constexpr (T::structure.order == reads::before_write) {
      R f(1);
      if constexpr (T::exponential) f = math::exp(R(M::scaling::log_scale(at)) - (T::stabilised ? m : R(0)));
      for (int u = 0; u < e; ++u) numerator[u] += (own * f) * R(at.v[u]);
    }
  }
};

/// Forward of one head over tokens [0, T) of its sequence.
template <class M, class R, class X, class Y, class Types>
void recurrent_forward(const X& x, const extents& e, const head& hd, const Y& y, const carried<M, Types>& c, recurrent_head<M, R, X>& w) {
  using T = traits<M>;
  const idx tokens = hd.tokens(), start = initial_position(c, hd.index);
  load_state<M>(c, hd.index, hd.state, e.n, e.d, w.S);
  w.m = initial_maximum<M, Types, R>(c, hd.index, hd.state);
  std::size_t next = 0;
  const auto capture = [&](idx seen) {
    for (; next < c.positions.size() && (c.positions[next] <= seen || seen == tokens); ++next)
      store_state<M>(c.captured, idx(next) * e.sequences + hd.index, hd.state, e.n, e.d, w.S, w.m, start + seen);
  };
  const auto read = [&](int i, idx t) {
    if (t < e.first_read) return;
    for (int r = 0; r < hd.readers; ++r) {
      gather<M>(x, e, hd.s, hd.at(r), t, 1, true, w.reads, w.scratch);
      const auto at = w.reads.at(0, 0, start + t);
      w.read(at, i, start + t);
      finish_row<M, R>(w.numerator, T::needs_sum ? w.numerator[e.d] : R(0), w.m, at, y, hd.s.batch, hd.s.begin + t - e.first_read, hd.first_reader + r);
    }
  };
  capture(0);
  for (idx t0 = 0; t0 < tokens; t0 += w.window) {
    const idx count = tokens - t0 < w.window ? tokens - t0 : w.window;
    gather<M>(x, e, hd.s, hd.at(0), t0, count, t0 == 0, w.in, w.scratch);
    for (int i = 0; i < count; ++i) {
      if constexpr (T::structure.order == reads::before_write) {
        if constexpr (T::stabilised) read_before_write(w, i, start + t0 + i, read, t0 + i);
        else read(i, t0 + i);
        w.advance(i, start + t0 + i);
      } else {
        w.advance(i, start + t0 + i);
        read(i, t0 + i);
      }
      capture(t0 + i + 1);
    }
  }
  if (c.final) store_state<M>(c.final, hd.index, hd.state, e.n, e.d, w.S, w.m, start + tokens);
}
/// Reading first under exp(i): the bonus's exponent joins the maximum of the state that is read, for the read alone.
template <class M, class R, class X, class Read>
void read_before_write(recurrent_head<M, R, X>& w, int i, idx position, Read read, idx t) {
  const R before = w.m;
  const R own = R(M::scaling::log_scale(w.in.at(i, traits<M>::micro - 1, position)));
  if (own > before) {
    const R f = before <= R(-1e29) ? R(0) : math::exp(before - own);
    for (int j = 0; j < w.n * w.e; ++j) w.S[j] = f * w.S[j];
    w.m = own;
  }
  read(i, t);
}

}  // namespace coefdyn::cpu
