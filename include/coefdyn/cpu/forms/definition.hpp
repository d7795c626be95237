// SPDX-License-Identifier: MIT
#pragma once
#include "../stages/head.hpp"
#include "../stages/lower.hpp"

/// The definition, written as it reads; every other form is tested against it.
///
///   h_{j,j} = b_j k_j,  h_{i,j} = A_i h_{i-1,j},  alpha_{i,j} = phi(q_i' h_{i,j}) / eta_i,  y_i = sum_{j<=i} alpha_{i,j} v_j
///
/// All impulses h_{.,j} of a sequence are carried forward one token at a time: T^2 applications of A, T n numbers of memory.
/// float problems are computed in double here: impulses of strong decays beside large input gates leave the range of float.
/// Where a sum normalises, the row's maximum is taken out of exp(.) first: no exponent is positive.
/// source  arXiv:2510.09389
namespace coefdyn::cpu {

template <class M, class R>
struct impulses {
  using X = state_element<M, R>;
  using traits_ = traits<M>;
  int n = 0, e = 0;
  idx columns = 0;   // writes of the whole sequence
  X* H = nullptr;    // (n, columns): h_{i,j}
  X* P = nullptr;    // (n, e): what the initial state has become
  X* now = nullptr;  // (n, e): the state between two tokens
  X* work = nullptr;
  R* exponent = nullptr;                                        // (columns): log_scale where the running maximum is kept out
  R *score = nullptr, *weight = nullptr, *numerator = nullptr;  // (columns), (columns), (e)

  impulses() = default;
  impulses(arena& a, idx tokens, int n_, int d) : n(n_), e(value_width<M>(d)), columns(tokens * traits_::writes) {
    H = a.take<X>(n * columns), P = a.take<X>(idx(n) * e), now = a.take<X>(idx(n) * e), work = a.take<X>(columns + e + 4 * n),
    exponent = a.take<R>(columns);
    score = a.take<R>(columns), weight = a.take<R>(columns), numerator = a.take<R>(e);
  }
  state_matrix<X> alive(idx count) const { return {H, columns, int(count)}; }
};

/// The impulse b_j k_j of one write, without the exponential part that a maximum keeps out.
template <class M, class At, class X>
COEFDYN_HD void write_impulse(const At& at, X* h, idx stride) {
  using R = typename At::real;
  using B = typename M::scaling;
  R f(1);
  if constexpr (traits<M>::exponential && !traits<M>::stabilised) f = math::exp(R(B::log_scale(at)));
  for (int c = 0; c < at.n; ++c) h[c * stride] = X((f * R(scale_of<B>(at, c))) * at.k[c]);
}

/// score[j] = Re(q_i' h_{i,j}) for `count` impulses.
template <class M, class R, class Query, class X>
void scores_of(const Query& q, int n, const X* H, idx stride, idx count, R* score) {
  for (idx j = 0; j < count; ++j) {
    R s(0);
    for (int c = 0; c < n; ++c) s += real_part(X(q[c]) * H[c * stride + j]);
    score[j] = s;
  }
}
/// phi of the scores, the running maximum m taken out where phi or b is an exponential; returns m.
template <class M, class R>
R weights_of(const R* score, const R* exponent, idx count, R m, R* weight) {
  using traits_ = traits<M>;
  if constexpr (takes_maximum<M>) {
    for (idx j = 0; j < count; ++j) m = math::max(m, score[j]);
    for (idx j = 0; j < count; ++j) weight[j] = M::readout::apply(score[j] - m);
  } else if constexpr (traits_::stabilised) {
    for (idx j = 0; j < count; ++j) m = math::max(m, exponent[j]);
    for (idx j = 0; j < count; ++j) weight[j] = score[j] * math::exp(exponent[j] - m);
  } else {
    for (idx j = 0; j < count; ++j) weight[j] = M::readout::apply(score[j]);
  }
  return m;
}
/// One head of the definition: its streams over the whole sequence, and all impulses.
template <class M, class R, class X>
struct definition_head {
  using traits_ = traits<M>;
  using A = typename M::evolution;
  using E = state_element<M, R>;
  state_frame<M, R, X::over> in;
  reader_frame<M, R, X::over> reads;  // one token at a time
  impulses<M, R> h;
  R* scratch = nullptr;
  R m0{};                     // the initial state's maximum
  R past{};                   // the same, as long as something of that state is left
  R top{};                    // the running maximum, as a state that leaves carries it
  bool from_nothing = false;  // no state comes in

  definition_head() = default;
  definition_head(arena& a, const extents& size, idx tokens)
      : in(a, {.n = size.n, .d = size.d, .e = value_width<M>(size.d), .tokens = tokens}),
        reads(a, {.n = size.n, .d = size.d, .e = value_width<M>(size.d), .tokens = 1}),
        h(a, tokens, size.n, size.d),
        scratch(a.take<R>(3 * size.n)) {}

  const R* value(idx j) const {
    const auto& v = in.template of<need<stream::v, ticks::write, width::value>>();
    return v.p + j * v.stride;
  }
  /// Carries every impulse through the sequence; read(i, alive) sees h_{i, 0..alive}, after(done, alive) the state between tokens.
  template <class Read, class After>
  void over_tokens(idx tokens, idx position, Read read, After after) {
    idx alive = 0;
    top = past = m0;
    after(idx(0), alive);
    for (idx i = 0; i < tokens; ++i) {
      if constexpr (traits_::stabilised) next_maximum<M, R>(in, int(i), position + i, top, !from_nothing || i > 0);
      if constexpr (traits_::structure.order == reads::before_write) {
        write(i, traits_::micro - 1, position, alive);  // seen by this read alone, weighted by diag(u)
        const auto at = in.at(i, traits_::micro - 1, position + i);
        for (int c = 0; c < h.n; ++c) h.H[c * h.columns + alive] = R(A::bonus(at, c)) * h.H[c * h.columns + alive];
        read(i, alive + 1);
      }
      if constexpr (traits_::stabilised)
        if (math::is_unset(largest_log_decay<M, R>(in, i, position + i))) {  // a maximum is one of what is left
          for (idx j = 0; j < alive; ++j) h.exponent[j] = math::unset_maximum<R>();
          past = starting_maximum<M, R>();
        }
      for (int l = 0; l < traits_::micro; ++l) {
        const auto at = in.at(i, l, position + i);
        evolve<A, false>(at, h.alive(alive), h.work);
        if (!from_nothing) evolve<A, false>(at, state_matrix<E>{h.P, h.e, h.e}, h.work);
        if (traits_::writes_at(l)) write(i, l, position, alive++);
      }
      if constexpr (traits_::structure.order == reads::after_write) read(i, alive);
      after(i + 1, alive);
    }
  }
  void write(idx i, int l, idx position, idx column) {
    const auto at = in.at(i, l, position + i);
    write_impulse<M>(at, h.H + column, h.columns);
    if constexpr (traits_::stabilised) h.exponent[column] = R(M::scaling::log_scale(at));
  }
  /// One read: weights of the impulses, numerator (and sum) in h.numerator; returns the maximum taken out.
  R read(idx i, idx position, idx alive) {
    const auto at = reads.at(0, 0, position + i);
    scores_of<M, R>(at.q, h.n, h.H, h.columns, alive, h.score);
    const R m = weights_of<M, R>(h.score, h.exponent, alive, traits_::stabilised ? past : starting_maximum<M, R>(), h.weight);
    const R factor = traits_::stabilised ? math::exp(past - m) : R(1);
    for (int u = 0; u < h.e; ++u) {
      E s{};
      for (int c = 0; c < h.n && !from_nothing; ++c) s += E(at.q[c] * h.P[c * h.e + u]);
      h.numerator[u] = factor * real_part(s);
    }
    for (idx j = 0; j < alive; ++j)
      for (int u = 0; u < h.e; ++u) h.numerator[u] += h.weight[j] * value(j)[u];
    return m;
  }
  /// Writes S = P + sum_j h_j v_j' to `S` (n, e), scaled by e^-top. Not in place: P is still needed.
  void state_now(idx alive, E* S) const {
    R m = past;
    if constexpr (traits_::stabilised)
      for (idx j = 0; j < alive; ++j) m = math::max(m, h.exponent[j]);
    // what is still there is small where the maximum has decayed: its factor may be large, and stays finite
    const R rest = traits_::stabilised ? math::exp(math::min(m - top, R(math::deepest_exponent<R>))) : R(1);
    for (int c = 0; c < h.n; ++c)
      for (int u = 0; u < h.e; ++u) {
        E s = (traits_::stabilised ? math::exp(past - m) : R(1)) * h.P[c * h.e + u];
        for (idx j = 0; j < alive; ++j)
          s += ((traits_::stabilised ? math::exp(h.exponent[j] - m) : R(1)) * value(j)[u]) * h.H[c * h.columns + j];
        S[c * h.e + u] = rest * s;
      }
  }
};

/// Forward of one head: y and, for a linear readout, the states.
template <class M, class R, class X, class Y, class Types>
void definition_forward(const X& x, const extents& size, const head_place& head, const Y& y, const carried<M, Types>& c,
                        definition_head<M, R, X>& w) {
  const idx tokens = head.tokens(), position = initial_position(c, head.index);
  gather<M>(x, size, head.s, head.at(0), 0, tokens, true, w.in, w.scratch);
  load_state<M>(c, head, size, w.h.e, w.h.P);
  w.m0 = initial_maximum<M, Types, R>(c, head.index, head.state);
  w.from_nothing = !c.initial;
  const auto read = [&](idx i, idx alive) {
    if (i < size.first_read) return;
    for (int r = 0; r < head.readers; ++r) {
      gather<M>(x, size, head.s, head.at(r), i, 1, true, w.reads, w.scratch);
      const R m = w.read(i, position, alive);
      finish_row<M, R>(w.h.numerator, size.d, m, w.reads.at(0, 0, position + i), y, head.row(i - size.first_read, r));
    }
  };
  auto captured = captures_of(c, head, size);
  w.over_tokens(tokens, position, read, [&](idx done, idx alive) {
    if constexpr (traits<M>::linear) {
      const auto keep = [&](const auto& out, idx slot) {
        w.state_now(alive, w.h.now);
        store_state<M>(out, slot, head.state, size, w.h.e, w.h.now, w.top);
      };
      captured.after(done, keep);
      if (done == tokens && c.final) keep(c.final, head.index);
    }
  });
}

}  // namespace coefdyn::cpu
