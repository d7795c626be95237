// SPDX-License-Identifier: MIT
#pragma once
#include "../stages/gradient_frames.hpp"
#include "../stages/transport.hpp"
#include "definition.hpp"

/// Backward of the definition by its own rules. A row i gives every impulse a score gradient dZ_ij; with
///
///   G_t = sum_{j<=t} dZ_ij h_{t,j},    p_i = q_i,  p_{t-1} = A_t' p_t,
///
/// dq_i = G_i, the gradient of A_t is p_t G_{t-1}', that of b_j k_j is dZ_ij p_j: T^2 applications of A and of A'.
namespace coefdyn::cpu {

template <class M, class R, class X>
struct definition_backward_head {
  using traits_ = traits<M>;
  using E = state_element<M, R>;
  definition_head<M, R, X> f;
  gradient_frames<M, R, X> grads;
  row_gradients<M, R> rows;                                                               // of the whole sequence
  E* G = nullptr;                                                                         // (T m + 1, n): G before each micro-step
  E *p = nullptr, *decayed = nullptr, *work = nullptr, *dS0 = nullptr, *start = nullptr;  // (n), (n), scratch, (n, e), (n)
  E* S0 = nullptr;                                                                        // (n, e)
  R *dZ = nullptr, *dY = nullptr, *q = nullptr;

  definition_backward_head() = default;
  definition_backward_head(arena& a, const extents& size, idx tokens)
      : f(a, size, tokens), grads(a, size, tokens), rows(a, tokens * traits_::micro, size.n, value_width<M>(size.d)) {
    const idx n = size.n, e = value_width<M>(size.d);
    G = a.take<E>((tokens * traits_::micro + 1) * n), p = a.take<E>(n), decayed = a.take<E>(n), work = a.take<E>(4 + 8 * n),
    dS0 = a.take<E>(n * e), start = a.take<E>(n), S0 = a.take<E>(n * e);
    dZ = a.take<R>(f.h.columns + 1), dY = a.take<R>(e), q = a.take<R>(2 * n);
  }

  /// A row before the first write, where no state has come in: its evolution has nothing to act on.
  bool idle(idx row) const { return f.from_nothing && row < operands<M, R>::first_acting; }
  /// Row of the timeline that makes write j.
  static idx row_of_write(idx j) { return traits_::structure.writes_each ? j : j * traits_::micro + traits_::micro - 1; }
  /// The impulse of write j without the exponential that a maximum keeps out, as b K.
  R plain_b(idx j, idx position) const {
    const idx row = row_of_write(j);
    const auto at = f.in.at(row / traits_::micro, int(row % traits_::micro), position + row / traits_::micro);
    R b(1);
    if constexpr (traits_::scale_is_scalar) b = R(M::scaling::scale(at));
    if constexpr (traits_::exponential && !traits_::stabilised) b = b * math::exp(R(M::scaling::log_scale(at)));
    return b;
  }
  /// G over micro-steps [0, count): from `start`, adding dZ_j h_{j,j} at every write. Leaves G_count in place.
  void forward(idx count, idx position) {
    const int n = f.h.n;
    for (int c = 0; c < n; ++c) G[c] = start[c];
    for (idx row = 0; row < count; ++row) {
      E *now = G + row * n, *next = now + n;
      for (int c = 0; c < n; ++c) next[c] = now[c];
      const idx i = row / traits_::micro;
      const int l = int(row % traits_::micro);
      const auto at = f.in.at(i, l, position + i);
      if (!idle(row)) evolve<typename M::evolution, false>(at, state_matrix<E>{next, 1, 1}, work);
      if (traits_::writes_at(l)) {
        const idx j = traits_::structure.writes_each ? row : i;
        const R b = dZ[j] * plain_b(j, position);
        for (int c = 0; c < n; ++c) next[c] += b * write_key<M, E>(at, c);
      }
    }
  }
  /// p from micro-step `count` back to the start, adding the gradients of what it passes; p ends as that of `start`.
  void backward(idx count, idx position) {
    const int n = f.h.n;
    for (idx row = count - 1; row >= 0; --row) {
      const idx i = row / traits_::micro;
      const int l = int(row % traits_::micro);
      if (traits_::writes_at(l)) {
        const auto at = f.in.at(i, l, position + i);
        const idx j = traits_::structure.writes_each ? row : i;
        const R b = plain_b(j, position);
        for (int c = 0; c < n; ++c) {
          rows.b[row] += dZ[j] * real_part(p[c] * write_key<M, E>(at, c));
          add_lowered(rows.K + row * rows.n, n, c, (dZ[j] * b) * p[c]);
        }
      }
      if (idle(row)) continue;
      evolve_backward<M, R>(f.in, i, l, position + i, state_matrix<E>{G + row * n, 1, 1}, state_matrix<E>{p, 1, 1},
                            state_matrix<E>{decayed, 1, 1}, work, rows, grads.state, i);
    }
  }
  /// G over rows [0, count) under dZ, started by the initial state's score gradients past S0 dY.
  void transport(idx count, idx position, R past) {
    const int n = f.h.n, e = f.h.e;
    for (int c = 0; c < n; ++c) {
      E s{};
      for (int u = 0; u < e && !f.from_nothing; ++u) s += (past * dY[u]) * S0[c * e + u];
      start[c] = s;
    }
    forward(count, position);
  }
  /// The way back of `transport`, from p.
  void give_back(idx count, idx position, R past) {
    const int n = f.h.n, e = f.h.e;
    backward(count, position);
    for (int c = 0; c < n; ++c)
      for (int u = 0; u < e; ++u) dS0[c * e + u] += (past * dY[u]) * p[c];
  }
  /// dZ of one read with maximum m from dY, and what its weights give the values.
  void scores_backward(idx alive, R m) {
    const int e = f.h.e;
    for (idx j = 0; j < alive; ++j) {
      const idx row = row_of_write(j);
      R dw(0);
      for (int u = 0; u < e; ++u) {
        dw += dY[u] * f.value(j)[u];
        rows.V[row * e + u] += f.h.weight[j] * dY[u];
      }
      dZ[j] = traits_::stabilised ? dw * math::exp(f.h.exponent[j] - m)
                                  : dw * slope<typename M::readout>(takes_maximum<M> ? f.h.score[j] - m : f.h.score[j]);
    }
  }
  /// The token's own write j, read before it is written, weighted by diag(u).
  void own_write_backward(idx i, idx j, idx position, R g) {
    const int n = f.h.n;
    const idx row = row_of_write(j);
    const auto at = f.in.at(i, traits_::micro - 1, position + i);
    const R b = plain_b(j, position);
    for (int c = 0; c < n; ++c) {
      rows.b[row] += g * real_part((R(M::evolution::bonus(at, c)) * p[c]) * write_key<M, E>(at, c));
      add_lowered(rows.bonus + row * rows.n, n, c, (g * b) * p[c]);
    }
  }
};

/// Reads of token i.
template <class M, class R, class X, class Call>
void definition_reads_backward(const X& x, const extents& size, const head_place& head, const Call& call, idx i, idx alive, idx position,
                               definition_backward_head<M, R, X>& w) {
  using traits_ = traits<M>;
  using E = state_element<M, R>;
  constexpr bool before = traits_::structure.order == reads::before_write;
  auto& f = w.f;
  const int n = size.n;
  const idx count = before ? i * traits_::micro : (i + 1) * traits_::micro;
  for (int r = 0; r < head.readers; ++r) {
    gather<M>(x, size, head.s, head.at(r), i, 1, true, f.reads, f.scratch);
    const R m = f.read(i, position, alive);
    finish_row_backward<M>(f.reads, 0, position + i, f.h.numerator, m, call.dy, head.row(i, r), w.dY, w.grads.readers[r], i);
    w.scores_backward(alive, m);
    const R past = traits_::stabilised ? math::exp(f.past - m) : R(1);
    w.transport(count, position, past);
    const auto q_at = f.reads.at(0, 0, position + i);
    for (int c = 0; c < n; ++c) {
      E dq = w.G[count * n + c];
      if constexpr (before) dq += w.dZ[alive - 1] * f.h.H[c * f.h.columns + alive - 1];
      if constexpr (is_complex<E>) w.q[c] = dq.re, w.q[n + c] = dq.im;
      else w.q[c] = dq;
      w.p[c] = E(q_at.q[c]);
    }
    raise_query<M>(i, w.q, w.grads.readers[r]);
    if constexpr (before) w.own_write_backward(i, alive - 1, position, w.dZ[alive - 1]);
    w.give_back(count, position, past);
  }
}
/// The final state, column by column: S_T = sum_j h_{T,j} v_j' + P, unscaled.
template <class M, class R, class X, class Call>
void definition_state_backward(const extents& size, const head_place& head, const Call& call, idx alive, idx position,
                               definition_backward_head<M, R, X>& w) {
  using traits_ = traits<M>;
  using E = state_element<M, R>;
  auto& f = w.f;
  const int n = size.n, e = f.h.e;
  const idx count = head.tokens() * traits_::micro;
  E* dS = f.h.now;
  load_final_gradient(call.s, head.index, head.state, n, size.d, e, R(0), dS);
  const auto scale = [&](idx j) { return traits_::stabilised ? math::exp(f.h.exponent[j]) : R(1); };
  const R past = traits_::stabilised ? math::exp(f.m0) : R(1);
  for (int u = 0; u < e; ++u) {
    for (int v = 0; v < e; ++v) w.dY[v] = R(v == u);
    for (idx j = 0; j < alive; ++j) w.dZ[j] = f.value(j)[u] * scale(j);
    w.transport(count, position, past);
    for (int c = 0; c < n; ++c) w.p[c] = dS[c * e + u];
    for (idx j = 0; j < alive; ++j) {  // dv_j = Re(dS' h_{T,j})
      R s(0);
      for (int c = 0; c < n; ++c) s += real_part(w.p[c] * f.h.H[c * f.h.columns + j]);
      w.rows.V[w.row_of_write(j) * e + u] += s * scale(j);
    }
    w.give_back(count, position, past);
  }
}

template <class M, class R, class X, class Call>
void definition_backward(const X& x, const extents& size, const head_place& head, const Call& call, definition_backward_head<M, R, X>& w) {
  using traits_ = traits<M>;
  auto& f = w.f;
  const idx tokens = head.tokens(), position = initial_position(call.c, head.index), numbers = idx(size.n) * f.h.e;
  gather<M>(x, size, head.s, head.at(0), 0, tokens, true, f.in, f.scratch);
  load_state<M>(call.c, head, size, f.h.e, f.h.P);
  copy(f.h.P, numbers, w.S0), clear(w.dS0, numbers);
  f.m0 = starting_scale<M, R>(call.c, call.s, head.index, head.state);
  f.from_nothing = !call.c.initial && !call.s.initial;
  w.rows.clear(tokens * traits_::micro);
  f.over_tokens(
      tokens, position, [&](idx i, idx alive) { definition_reads_backward<M, R>(x, size, head, call, i, alive, position, w); },
      [&](idx done, idx alive) {
        if constexpr (traits_::linear)
          if (done == tokens && call.s.final) definition_state_backward<M, R>(size, head, call, alive, position, w);
      });
  for (idx i = 0; i < tokens; ++i)
    for (int l = 0; l < traits_::micro; ++l) {
      const auto at = f.in.at(i, l, position + i);
      R o_b(1);
      if constexpr (traits_::scale_is_scalar) o_b = R(M::scaling::scale(at));
      if constexpr (traits_::exponential && !traits_::stabilised) o_b = o_b * math::exp(R(M::scaling::log_scale(at)));
      raise_row<M>(f.in, i, l, position + i, w.rows.at(i * traits_::micro + l), o_b, R(1), w.grads.state, i);
    }
  store_initial_gradient(call.s, head.index, head.state, size.n, size.d, f.h.e, f.m0, w.dS0);
}

}  // namespace coefdyn::cpu
