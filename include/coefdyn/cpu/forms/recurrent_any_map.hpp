// SPDX-License-Identifier: MIT
#pragma once
#include "../stages/head.hpp"
#include "../stages/lower.hpp"

/// The recurrent form of any linear map, token by token (Lemma 1: linear readouts only), as written; a step is the same loop over a few
/// tokens.
///
///   S_i = A_i S_{i-1} + b_i k_i v_i',   y_i = S_i' q_i / eta_i;   with a sum, z rides along as one more value column
namespace coefdyn::cpu {

template <class M, class R, class X>
struct any_map_head {
  using traits_ = traits<M>;
  using A = typename M::evolution;
  using E = state_element<M, R>;
  static constexpr idx window = 64;  // tokens whose streams are gathered at once
  state_frame<M, R, X::over> in;
  reader_frame<M, R, X::over> reads;
  int n = 0, e = 0;
  bool empty = false;  // nothing has been written yet, and no state has come in: there is nothing to evolve
  E *S = nullptr, *work = nullptr;
  R *numerator = nullptr, *scratch = nullptr;
  R m{};

  any_map_head() = default;
  any_map_head(arena& a, const extents& size, idx tokens)
      : in(a, {.n = size.n, .d = size.d, .e = value_width<M>(size.d), .tokens = tokens < window ? tokens : window}),
        reads(a, {.n = size.n, .d = size.d, .e = value_width<M>(size.d), .tokens = 1}),
        n(size.n),
        e(value_width<M>(size.d)),
        S(a.take<E>(idx(size.n) * e)),
        work(a.take<E>(4 * idx(e) + 4 * size.n)),
        numerator(a.take<R>(e)),
        scratch(a.take<R>(3 * size.n)) {}

  /// Token i of the window: evolve and write at each micro-step. With exp(i) scaling, S stays scaled by e^-m.
  void advance(int i, idx position) {
    R extra(0);
    if constexpr (traits_::stabilised) extra = next_maximum<M>(in, i, position, m, !empty);
    for (int l = 0; l < traits_::micro; ++l) advance_row(i, l, position, l == 0 ? extra : R(0), S);
  }
  void advance_row(int i, int l, idx position, R extra, E* to) {
    const auto at = in.at(i, l, position);
    if (!empty) evolve<A, false>(at, state_matrix<E>{to, e, e}, work, extra);
    if (traits_::writes_at(l)) {
      empty = false;
      const R b = write_b<M>(at, m);
      for (int c = 0; c < n; ++c) {
        const E k = b * write_key<M, E>(at, c);
        for (int u = 0; u < e; ++u) to[c * e + u] += R(at.v[u]) * k;
      }
    }
  }
  /// The maximum of a read of a state scaled by e^-m; reading before the write, the bonus's own exponent joins it.
  R read_maximum(int i, idx position) const {
    if constexpr (traits_::stabilised && traits_::structure.order == reads::before_write)
      return math::max(m, R(M::scaling::log_scale(in.at(i, traits_::micro - 1, position))));
    else return m;
  }
  /// numerator (and the sum) of one read of `from`, scaled by e^-top; a mixer that reads first adds diag(u) on the token's own write.
  template <class At>
  void read(const At& q_at, int i, idx position, const E* from, R top) {
    const R past = top == m ? R(1) : math::exp(m - top);
    for (int u = 0; u < e; ++u) numerator[u] = R(0);
    for (int c = 0; c < n; ++c) {
      const E q = past * E(q_at.q[c]);
      for (int u = 0; u < e; ++u) numerator[u] += real_part(q * from[c * e + u]);
    }
    if constexpr (traits_::structure.order == reads::before_write) {
      const auto at = in.at(i, traits_::micro - 1, position);
      const R own = own_score(q_at, at) * write_b<M>(at, top);
      for (int u = 0; u < e; ++u) numerator[u] += own * R(at.v[u]);
    }
  }
  template <class Q, class At>
  R own_score(const Q& q_at, const At& at) const {
    R own(0);
    for (int c = 0; c < n; ++c) own += real_part((R(A::bonus(at, c)) * E(q_at.q[c])) * write_key<M, E>(at, c));
    return own;
  }
};

/// Forward of one head over tokens [0, T) of its sequence.
template <class M, class R, class X, class Y, class Types>
void any_map_forward(const X& x, const extents& size, const head_place& head, const Y& y, const carried<M, Types>& c,
                     any_map_head<M, R, X>& w) {
  using traits_ = traits<M>;
  const idx tokens = head.tokens(), start = initial_position(c, head.index);
  load_state<M>(c, head, size, w.e, w.S);
  w.m = initial_maximum<M, Types, R>(c, head.index, head.state);
  w.empty = !c.initial;
  const auto keep = [&](const auto& to, idx slot) { store_state<M>(to, slot, head.state, size, w.e, w.S, w.m); };
  const auto read = [&](int i, idx t) {
    if (t < size.first_read) return;
    for (int r = 0; r < head.readers; ++r) {
      gather<M>(x, size, head.s, head.at(r), t, 1, true, w.reads, w.scratch);
      const auto at = w.reads.at(0, 0, start + t);
      const R top = w.read_maximum(i, start + t);
      w.read(at, i, start + t, w.S, top);
      finish_row<M, R>(w.numerator, size.d, top, at, y, head.row(t - size.first_read, r));
    }
  };
  auto captured = captures_of(c, head, size);
  captured.after(0, keep);
  for (idx t0 = 0; t0 < tokens; t0 += w.window) {
    const idx count = tokens - t0 < w.window ? tokens - t0 : w.window;
    gather<M>(x, size, head.s, head.at(0), t0, count, t0 == 0, w.in, w.scratch);
    for (int i = 0; i < count; ++i) {
      if constexpr (traits_::structure.order == reads::before_write) read(i, t0 + i);
      w.advance(i, start + t0 + i);
      if constexpr (traits_::structure.order == reads::after_write) read(i, t0 + i);
      captured.after(t0 + i + 1, keep);
    }
  }
  if (c.final) keep(c.final, head.index);
}

}  // namespace coefdyn::cpu
