// SPDX-License-Identifier: MIT
#pragma once
#include "../stages/gradient_frames.hpp"
#include "../stages/transport.hpp"
#include "recurrent_any_map.hpp"

/// Backward of the recurrent form, token by token in reverse; any linear map. States are kept at the start of each window of
/// tokens and recomputed within: (T / window + window m + 1) n e numbers.
namespace coefdyn::cpu {

template <class M, class R, class X>
struct recurrent_backward_head {
  using traits_ = traits<M>;
  using E = state_element<M, R>;
  any_map_head<M, R, X> f;
  gradient_frames<M, R, X> grads;
  row_gradients<M, R> rows;  // of one window
  E *checkpoints = nullptr, *inner = nullptr, *dS = nullptr, *decayed = nullptr, *work = nullptr;
  R *checkpoint_m = nullptr, *m = nullptr, *extra = nullptr, *dY = nullptr, *q = nullptr;

  recurrent_backward_head() = default;
  recurrent_backward_head(arena& a, const extents& size, idx tokens)
      : f(a, size, tokens), grads(a, size, tokens), rows(a, f.window * traits_::micro, size.n, value_width<M>(size.d)) {
    const idx numbers = idx(f.n) * f.e, windows = (tokens + f.window - 1) / f.window;
    checkpoints = a.take<E>(windows * numbers), checkpoint_m = a.take<R>(windows);
    inner = a.take<E>((f.window * traits_::micro + 1) * numbers), dS = a.take<E>(numbers), decayed = a.take<E>(numbers);
    work = a.take<E>(4 * idx(f.e) + 8 * f.n), m = a.take<R>(f.window + 1), extra = a.take<R>(f.window), dY = a.take<R>(f.e),
    q = a.take<R>(2 * idx(f.n));
  }
  idx numbers() const { return idx(f.n) * f.e; }  // of a state
  /// The state before micro-step `row` of the window.
  E* state_at(idx row) const { return inner + row * numbers(); }
};

/// A token reads its own write before that is written, weighted by diag(u): gradients of that write, and of q into w.q.
template <class M, class R, class X, class Q>
void own_read_backward(recurrent_backward_head<M, R, X>& w, const Q& q_at, int i, idx position, R top) {
  using traits_ = traits<M>;
  using E = state_element<M, R>;
  const int n = w.f.n, e = w.f.e;
  const idx last = idx(i) * traits_::micro + traits_::micro - 1;  // the row that writes
  const auto at = w.f.in.at(i, traits_::micro - 1, position);
  const R b = write_b<M>(at, top), own = w.f.own_score(q_at, at);
  R g(0);
  for (int u = 0; u < e; ++u) g += w.dY[u] * R(at.v[u]), w.rows.V[last * e + u] += own * b * w.dY[u];
  w.rows.b[last] += own * g * (traits_::stabilised ? math::exp(w.m[i + 1] - top) : R(1));  // raise multiplies by b at the token's m
  for (int c = 0; c < n; ++c) {
    const E k = (b * g * R(M::evolution::bonus(at, c))) * write_key<M, E>(at, c);
    if constexpr (is_complex<E>) w.q[c] += k.re, w.q[n + c] += k.im;
    else w.q[c] += k;
    add_lowered(w.rows.bonus + last * w.rows.n, n, c, (b * g) * E(q_at.q[c]));
  }
}
/// Reads of token i of the window, token t of the sequence, from state S, scaled by e^-f.m: gradients of q, the bonus and the state.
template <class M, class R, class X, class Call>
void recurrent_read_backward(const X& x, const extents& size, const head_place& head, const Call& call, recurrent_backward_head<M, R, X>& w,
                             int i, idx t, idx position, const state_element<M, R>* S) {
  using E = state_element<M, R>;
  auto& f = w.f;
  const int n = f.n, e = f.e;
  const R top = f.read_maximum(i, position);
  const R past = top == f.m ? R(1) : math::exp(f.m - top);
  for (int r = 0; r < head.readers; ++r) {
    gather<M>(x, size, head.s, head.at(r), t, 1, true, f.reads, f.scratch);
    const auto q_at = f.reads.at(0, 0, position);
    f.read(q_at, i, position, S, top);
    finish_row_backward<M>(f.reads, 0, position, f.numerator, top, call.dy, head.row(t, r), w.dY, w.grads.readers[r], t);
    for (int c = 0; c < n; ++c) {
      E dq{};
      for (int u = 0; u < e; ++u) {
        dq += (past * w.dY[u]) * S[c * e + u];
        w.dS[c * e + u] += (past * w.dY[u]) * E(q_at.q[c]);
      }
      if constexpr (is_complex<E>) w.q[c] = dq.re, w.q[n + c] = dq.im;
      else w.q[c] = dq;
    }
    if constexpr (traits<M>::structure.order == reads::before_write) own_read_backward(w, q_at, i, position, top);
    raise_query<M>(t, w.q, w.grads.readers[r]);
  }
}
/// S += (b K) v': gradients of K, b and v from dS.
template <class M, class R, class X>
void write_backward(recurrent_backward_head<M, R, X>& w, int i, int l, idx position) {
  using E = state_element<M, R>;
  const int n = w.f.n, e = w.f.e;
  const idx row = idx(i) * traits<M>::micro + l;
  const auto at = w.f.in.at(i, l, position);
  const R b = write_b<M>(at, w.f.m);
  for (int c = 0; c < n; ++c) {
    const E k = write_key<M, E>(at, c);
    E dk{};
    for (int u = 0; u < e; ++u) {
      dk += R(at.v[u]) * w.dS[c * e + u];
      w.rows.V[row * e + u] += b * real_part(k * w.dS[c * e + u]);
    }
    w.rows.b[row] += real_part(k * dk);
    add_lowered(w.rows.K + row * w.rows.n, n, c, b * dk);
  }
}

/// The states within a window again, one before each micro-step, with the maxima that scale them.
template <class M, class R, class X>
void states_of_window(recurrent_backward_head<M, R, X>& w, int count, idx position) {
  using traits_ = traits<M>;
  auto& f = w.f;
  for (int i = 0; i < count; ++i) {
    w.extra[i] = R(0);
    if constexpr (traits_::stabilised) w.extra[i] = next_maximum<M>(f.in, i, position + i, f.m, !f.empty);
    w.m[i + 1] = f.m;
    for (int l = 0; l < traits_::micro; ++l) {
      const idx row = idx(i) * traits_::micro + l;
      copy(w.state_at(row), w.numbers(), w.state_at(row + 1));
      f.advance_row(i, l, position + i, l == 0 ? w.extra[i] : R(0), w.state_at(row + 1));
    }
  }
}
/// Token i of the window that starts at token t0: dS behind it becomes dS before it.
template <class M, class R, class X, class Call>
void token_backward(const X& x, const extents& size, const head_place& head, const Call& call, recurrent_backward_head<M, R, X>& w, int i,
                    idx t0, idx start, bool from_nothing) {
  using traits_ = traits<M>;
  using E = state_element<M, R>;
  auto& f = w.f;
  const int e = f.e;
  const idx position = start + t0 + i, first = idx(i) * traits_::micro;
  f.m = w.m[i + 1];
  if constexpr (traits_::structure.order == reads::after_write)
    recurrent_read_backward<M, R>(x, size, head, call, w, i, t0 + i, position, w.state_at(first + traits_::micro));
  for (int l = traits_::micro - 1; l >= 0; --l) {
    const idx row = first + l;
    if (traits_::writes_at(l)) write_backward(w, i, l, position);
    if (from_nothing && t0 == 0 && row < operands<M, R>::first_acting) continue;
    evolve_backward<M, R>(f.in, i, l, position, state_matrix<E>{w.state_at(row), e, e}, state_matrix<E>{w.dS, e, e},
                          state_matrix<E>{w.decayed, e, e}, w.work, w.rows, w.grads.state, t0 + i, l == 0 ? w.extra[i] : R(0));
  }
  f.m = w.m[i];
  if constexpr (traits_::structure.order == reads::before_write)
    recurrent_read_backward<M, R>(x, size, head, call, w, i, t0 + i, position, w.state_at(first));
}

template <class M, class R, class X, class Call>
void recurrent_backward(const X& x, const extents& size, const head_place& head, const Call& call, recurrent_backward_head<M, R, X>& w) {
  using traits_ = traits<M>;
  auto& f = w.f;
  const idx tokens = head.tokens(), start = initial_position(call.c, head.index), numbers = w.numbers();
  const R m0 = starting_scale<M, R>(call.c, call.s, head.index, head.state);
  const bool from_nothing = !call.c.initial && !call.s.initial;
  f.m = m0, f.empty = from_nothing;
  load_state<M>(call.c, head, size, f.e, f.S);
  const idx windows = (tokens + f.window - 1) / f.window;
  const auto load = [&](idx k) {
    const idx t0 = k * f.window, count = tokens - t0 < f.window ? tokens - t0 : f.window;
    gather<M>(x, size, head.s, head.at(0), t0, count, true, f.in, f.scratch);
    return int(count);
  };
  for (idx k = 0; k < windows; ++k) {
    copy(f.S, numbers, w.checkpoints + k * numbers), w.checkpoint_m[k] = f.m;
    const int count = load(k);
    for (int i = 0; i < count; ++i) f.advance(i, start + k * f.window + i);
  }
  load_final_gradient(call.s, head.index, head.state, size.n, size.d, f.e, f.m, w.dS);
  for (idx k = windows - 1; k >= 0; --k) {
    const int count = load(k);
    const idx t0 = k * f.window;
    f.m = w.m[0] = w.checkpoint_m[k], f.empty = from_nothing && k == 0;
    copy(w.checkpoints + k * numbers, numbers, w.inner);
    states_of_window(w, count, start + t0);
    w.rows.clear(f.window * traits_::micro);
    for (int i = count - 1; i >= 0; --i) token_backward<M, R>(x, size, head, call, w, i, t0, start, from_nothing);
    for (int i = 0; i < count; ++i)
      for (int l = 0; l < traits_::micro; ++l)
        raise_row<M>(f.in, i, l, start + t0 + i, w.rows.at(idx(i) * traits_::micro + l),
                     write_b<M>(f.in.at(i, l, start + t0 + i), w.m[i + 1]), math::exp(w.extra[i]), w.grads.state, t0 + i);
  }
  store_initial_gradient(call.s, head.index, head.state, size.n, size.d, f.e, m0, w.dS);
}

}  // namespace coefdyn::cpu
