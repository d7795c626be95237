// SPDX-License-Identifier: MIT
#pragma once
#include "recurrent.cuh"
#include "reverse.cuh"

/// Backward of the recurrent form on the device, token by token in reverse; any linear map. A block has a state head, a thread
/// a column of the state where the policies act and a warp a channel where columns are summed. States are kept at the start of
/// each window of tokens and recomputed within.
namespace coefdyn::cuda::generic {

template <class M, class R, class X>
struct recurrent_backward_block : reverse_block<M, R, X> {
  using base = reverse_block<M, R, X>;
  using base::dS, base::e, base::grads, base::in, base::K, base::n, base::q, base::raw, base::reads, base::rows, base::window;
  using typename base::A, typename base::E, typename base::O, typename base::traits_;
  E *checkpoints = nullptr, *inner = nullptr;  // (windows, n, e), (window m + 1, n, e)
  R *checkpoint_m = nullptr, *m = nullptr, *extra = nullptr, *numerator = nullptr, *dY = nullptr, *one = nullptr;

  COEFDYN_HD recurrent_backward_block(memory& a, const extents& x, idx tokens) : base(a, x, tokens, value_width<M>(x.d)) {
    const idx size = idx(n) * e, windows = (tokens + window - 1) / window;
    numerator = a.take<R>(e), dY = a.take<R>(e), one = a.take<R>(4), m = a.take<R>(window + 1), extra = a.take<R>(window),
    checkpoint_m = a.take<R>(windows);
    checkpoints = a.take_slow<E>(windows * size), inner = a.take_slow<E>((idx(window) * traits_::micro + 1) * size);
  }
  __device__ void copy(const E* from, E* to) const {
    each(n * e, [&](int i) { to[i] = from[i]; });
  }

  /// Reads of token i from state S, scaled by e^-m: gradients of q, the bonus and the state.
  template <class Call>
  __device__ void read_backward(const X& x, const extents& ex, const head_place& head, const Call& call, int i, idx t, idx position,
                                const E* S, R m_now, R m_after) const {
    constexpr bool before = K.order == reads::before_write;
    const idx last = idx(i) * traits_::micro + traits_::micro - 1;
    const auto at = in.at(i, traits_::micro - 1, position);
    const R top = read_maximum<M>(in, i, position, m_now), past = past_factor(m_now, top);
    for (int r = 0; r < head.readers; ++r) {
      gather<M>(x, ex, head.s, head.at(r), t, 0, 1, reads, raw);
      const auto q_at = reads.at(0, 0, position);
      each(e, [&](int u) { numerator[u] = read_column<M, R, E>(in, q_at, i, position, m_now, top, u, S + u, e); });
      finish_rows_backward<M>(
          reads, 1, position, [&](int) { return static_cast<const R*>(numerator); }, [&](int) { return top; }, call.dy, head.s.batch,
          head.s.begin + t, head.first_reader + r, [&](int) { return dY; }, one, grads.reader(r), t);
      if constexpr (before) {
        each_sum(1, e, [&](int, int u) { return dY[u] * R(at.v[u]); }, [&](int, R g) { one[1] = g; });
        each(1, [&](int) { one[2] = own_score<M, R, E>(q_at, at); });
      }
      each_sum(
          n, e, [&](int c, int u) { return (past * dY[u]) * S[c * e + u]; },
          [&](int c, const E& dq) {
            if constexpr (is_complex<E>) q[c] = dq.re, q[n + c] = dq.im;
            else q[c] = dq;
          });
      each2(n, e, [&](int c, int u) { dS[c * e + u] += (past * dY[u]) * E(q_at.q[c]); });
      if constexpr (before) {
        const R b = cpu::write_b<M>(at, top), g = one[1], own = one[2];
        each_unsynced(e, [&](int u) { rows.V[last * e + u] += own * b * dY[u]; });
        each(n, [&](int c) {
          if (c == 0) rows.b[last] += own * g * (traits_::stabilised ? math::exp(m_after - top) : R(1));
          const E k = (b * g * R(A::bonus(at, c))) * cpu::write_key<M, E>(at, c);
          if constexpr (is_complex<E>) q[c] += k.re, q[n + c] += k.im;
          else q[c] += k;
          cpu::add_lowered(rows.bonus + last * rows.n, n, c, (b * g) * E(q_at.q[c]));
        });
      }
      raise_queries<M, R>(1, grads.reader(r), t, [&](int) { return static_cast<const R*>(q); });
    }
  }

  /// The write of step (i, l): gradients of K, b and v.
  __device__ void values_backward(int i, int l, idx position) const {
    const idx row = idx(i) * traits_::micro + l;
    const auto at = in.at(i, l, position);
    const R b = cpu::write_b<M>(at, m[i + 1]);
    this->write_backward(at, row, b, [&](int u) { return at.v[u]; });
    each(e, [&](int u) {
      R sum(0);
      for (int c = 0; c < n; ++c) sum += real_part(cpu::write_key<M, E>(at, c) * dS[c * e + u]);
      rows.V[row * e + u] += b * sum;
    });
  }

  /// All of one head.
  template <class Call>
  __device__ void go(const X& x, const extents& ex, const head_place& head, const Call& call) const {
    const idx tokens = head.tokens(), start = call.initial.S.data && call.initial.position.data ? call.initial.position(head.index) : 0,
              size = idx(n) * e;
    const R m0 = starting_scale<M, R>(call, head.index, head.state);
    const idx windows = (tokens + window - 1) / window;
    const slice all{0, ex.d, ex.d, e};
    R m_now = m0;
    const auto load = [&](idx k) {
      const int count = int(tokens - k * window < window ? tokens - k * window : window);
      gather<M>(x, ex, head.s, head.at(0), k * window, 0, count, in, raw);
      return count;
    };
    E* S = inner;
    load_state<M>(call.initial, head.index, head.state, ex.n, all, e, S);
    for (idx k = 0; k < windows; ++k) {
      copy(S, checkpoints + k * size);
      if (threadIdx.x == 0) checkpoint_m[k] = m_now;
      const int count = load(k);
      R m_end = m_now;
      if constexpr (traits_::stabilised)
        for (int i = 0; i < count; ++i) (void)cpu::next_maximum<M>(in, i, start + k * window + i, m_end);
      each(e, [&](int u) {
        R m_thread = m_now;
        for (int i = 0; i < count; ++i) {
          R grow(0);
          if constexpr (traits_::stabilised) grow = cpu::next_maximum<M>(in, i, start + k * window + i, m_thread);
          for (int l = 0; l < traits_::micro; ++l)
            advance_column<M, R, E>(in, i, l, start + k * window + i, l == 0 ? grow : R(0), m_thread, u, S + u, e);
        }
      });
      m_now = m_end;
    }
    load_final_gradient<M>(call.final_gradient, head.index, head.state, ex.n, ex.d, m_now, dS, e);
    for (idx k = windows - 1; k >= 0; --k) {
      const int count = load(k);
      const idx t0 = k * window;
      copy(checkpoints + k * size, inner);
      each(1, [&](int) {
        m[0] = checkpoint_m[k];
        R running = m[0];
        for (int i = 0; i < count; ++i) {
          extra[i] = R(0);
          if constexpr (traits_::stabilised) extra[i] = cpu::next_maximum<M>(in, i, start + t0 + i, running);
          m[i + 1] = running;
        }
      });
      each(e, [&](int u) {  // the window's states again: one before each micro-step
        for (int i = 0; i < count; ++i)
          for (int l = 0; l < traits_::micro; ++l) {
            E* next = inner + (idx(i) * traits_::micro + l + 1) * size + u;
            for (int c = 0; c < n; ++c) next[c * e] = (next - size)[c * e];
            advance_column<M, R, E>(in, i, l, start + t0 + i, l == 0 ? extra[i] : R(0), m[i + 1], u, next, e);
          }
      });
      this->clear_rows(count * traits_::micro);
      for (int i = count - 1; i >= 0; --i) {
        const idx position = start + t0 + i;
        if constexpr (K.order == reads::after_write)
          read_backward(x, ex, head, call, i, t0 + i, position, inner + idx(i + 1) * traits_::micro * size, m[i + 1], m[i + 1]);
        for (int l = traits_::micro - 1; l >= 0; --l) {
          if (traits_::writes_at(l)) values_backward(i, l, position);
          this->evolve_backward(i, l, position, inner + (idx(i) * traits_::micro + l) * size, t0 + i, l == 0 ? extra[i] : R(0));
        }
        if constexpr (K.order == reads::before_write)
          read_backward(x, ex, head, call, i, t0 + i, position, inner + idx(i) * traits_::micro * size, m[i], m[i + 1]);
      }
      raise(in, count, start + t0, grads.state, t0, [&](int i, int l) {
        return this->gradient_at(i, l, cpu::write_b<M>(in.at(i, l, start + t0 + i), m[i + 1]), math::exp(extra[i]));
      });
    }
    store_initial_gradient<M>(call.initial_gradient, head.index, head.state, ex.n, ex.d, m0, dS, e);
  }
};

}  // namespace coefdyn::cuda::generic
