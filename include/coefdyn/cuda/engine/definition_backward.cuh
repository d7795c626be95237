// SPDX-License-Identifier: MIT
#pragma once
#include "definition.cuh"
#include "reverse.cuh"

/// Backward of the definition on the device, for readouts without a recurrence. Row i of the scores has gradients dZ_ij; all
/// rows at once are columns of one linear recurrence whose values are dZ,
///
///   G_t = A_t G_{t-1} + b_t k_t dZ_{.,t}',    p_i = q_i,  p_{t-1} = A_t' p_t,
///
/// dq_i = G_i, the gradient of A_t is p_t G_{t-1}', that of b_j k_j is sum_i dZ_ij p_i,j: T^2 applications of A and of A', and
/// T^2 n / window numbers a block.
namespace coefdyn::cuda::generic {

template <class M, class R, class X>
struct definition_backward_block : reverse_block<M, R, X> {
  using base = reverse_block<M, R, X>;
  using base::dS, base::e, base::grads, base::in, base::K, base::n, base::q, base::raw, base::reads, base::rows, base::window;
  using typename base::A, typename base::E, typename base::O, typename base::traits_;
  definition_block<M, R, X> f;
  R *dZ = nullptr, *dV = nullptr, *dY = nullptr, *one = nullptr;  // (writes, e), (writes, d), (d), (4)
  E *checkpoints = nullptr, *inner = nullptr;                     // (windows, n, e), (window m + 1, n, e)

  COEFDYN_HD definition_backward_block(memory& a, const extents& x, idx tokens)
      : base(a, x, tokens, int(tokens) * cpu::readers_per_state(x)), f(a, x, tokens) {
    const idx size = idx(n) * e, windows = (tokens + window - 1) / window, values = value_width<M>(x.d);
    dY = a.take<R>(values), one = a.take<R>(4);
    dZ = a.take_slow<R>((tokens * traits_::writes + 1) * e), dV = a.take_slow<R>(tokens * traits_::writes * values);
    checkpoints = a.take_slow<E>(windows * size), inner = a.take_slow<E>((idx(window) * traits_::micro + 1) * size);
  }
  /// b of a write without the exponential that a maximum keeps out.
  template <class At>
  static __device__ R plain_b(const At& at) {
    R b(1);
    if constexpr (traits_::scale_is_scalar) {
      b = R(M::scaling::scale(at));
    }
    if constexpr (traits_::exponential) {
      b = b * math::exp(R(M::scaling::log_scale(at)));
    }
    return b;
  }
  static __device__ bool writes_at(int l) { return traits_::structure.writes_each || l == traits_::micro - 1; }
  static __device__ idx write_of(idx i, int l) { return traits_::structure.writes_each ? i * traits_::micro + l : i; }

  /// One step of one column, from `now` to `next` (n numbers, stride e).
  __device__ void step(int i, int l, idx t, idx position, int u, const E* now, E* next) const {
    const auto at = in.at(i, l, position);
    for (int c = 0; c < n; ++c) next[idx(c) * e + u] = now[idx(c) * e + u];
    E work;
    evolve<A, false>(at, state_matrix<E>{next + u, e, 1}, &work);
    if (!writes_at(l)) return;
    const R w = dZ[write_of(t, l) * e + u] * plain_b(at);
    for (int c = 0; c < n; ++c) next[idx(c) * e + u] += w * cpu::write_key<M, E>(at, c);
  }

  template <class Call>
  __device__ void go(const X& x, const extents& ex, const head_place& head, const Call& call) const {
    const idx tokens = head.tokens(), size = idx(n) * e, windows = (tokens + window - 1) / window;
    score_gradients(x, ex, head, call);
    clear(inner, int(size));
    for (idx k = 0; k < windows; ++k) {
      const int count = load(x, ex, head, k);
      each(e, [&](int u) {
        for (int c = 0; c < n; ++c) checkpoints[k * size + idx(c) * e + u] = inner[idx(c) * e + u];
        for (int i = 0; i < count; ++i) {
          for (int l = 0; l < traits_::micro; ++l) step(i, l, k * window + i, k * window + i, u, inner, inner);
        }
      });
    }
    clear(dS, int(size));
    for (idx k = windows - 1; k >= 0; --k) {
      const int count = load(x, ex, head, k);
      const idx t0 = k * window;
      each(e, [&](int u) {
        for (int c = 0; c < n; ++c) inner[idx(c) * e + u] = checkpoints[k * size + idx(c) * e + u];
        for (int i = 0; i < count; ++i) {
          for (int l = 0; l < traits_::micro; ++l)
            step(i, l, t0 + i, t0 + i, u, inner + (idx(i) * traits_::micro + l) * size, inner + (idx(i) * traits_::micro + l + 1) * size);
        }
      });
      this->clear_rows(count * traits_::micro);
      for (int i = count - 1; i >= 0; --i) token_backward(x, ex, head, i, t0 + i);
      raise(in, count, t0, grads.state, t0, [&](int i, int l) { return this->gradient_at(i, l, plain_b(in.at(i, l, t0 + i)), R(1)); });
    }
  }

 private:
  /// Window k's tokens; how many they are.
  __device__ __forceinline__ int load(const X& x, const extents& ex, const head_place& head, idx k) const {
    const idx left = head.tokens() - k * window;
    const int count = int(left < window ? left : window);
    gather<M>(x, ex, head.s, head.at(0), k * window, 0, count, in, raw);
    return count;
  }
  /// Of the scores of all rows: dZ, dV, and the normalization's own streams.
  template <class Call>
  __device__ __forceinline__ void score_gradients(const X& x, const extents& ex, const head_place& head, const Call& call) const {
    const idx tokens = head.tokens();
    const int values = value_width<M>(ex.d), readers = head.readers;
    const value_reader<M, R, X> value{x, ex, head};
    for (idx i = threadIdx.x; i < (tokens * traits_::writes + 1) * e; i += blockDim.x) dZ[i] = R(0);
    for (idx i = threadIdx.x; i < tokens * traits_::writes * values; i += blockDim.x) dV[i] = R(0);
    clear(f.P, n * f.e);
    R m0(0);
    f.over_tokens(
        tokens, 0, m0, [&](idx i) { gather<M>(x, ex, head.s, head.at(0), i, 0, 1, f.in, raw); },
        [&](idx i, idx alive) {
          for (int r = 0; r < readers; ++r) {
            gather<M>(x, ex, head.s, head.at(r), i, 0, 1, f.reads, raw);
            const R m = f.read(i, alive, R(0), value);
            finish_rows_backward<M>(
                f.reads, 1, i, [&](int) { return static_cast<const R*>(f.numerator); }, [&](int) { return m; }, call.dy, head.s.batch,
                head.s.begin + i, head.first_reader + r, [&](int) { return dY; }, one, grads.reader(r), i);
            const int column = int(i) * readers + r;
            each_sum(
                int(alive), values, [&](int j, int u) { return dY[u] * value(f.value_of(j, alive), u); },
                [&](int j, R dw) {
                  dZ[idx(j) * e + column] = dw * slope<typename M::readout>(cpu::takes_maximum<M> ? f.score[j] - m : f.score[j]);
                });
            each2(int(alive), values, [&](int j, int u) { dV[f.value_of(j, alive) * values + u] += f.weight[j] * dY[u]; });
          }
        },
        [](idx, idx) {});
  }
  /// One token of a window, all its micro-steps from the last on: the gradients of what it reads, of its writes and of its map.
  __device__ __forceinline__ void token_backward(const X& x, const extents& ex, const head_place& head, int i, idx t) const {
    const idx size = idx(n) * e;
    const int values = value_width<M>(ex.d);
    if constexpr (K.order == reads::after_write) read(x, ex, head, t, inner + idx(i + 1) * traits_::micro * size);
    for (int l = traits_::micro - 1; l >= 0; --l) {
      const idx row = idx(i) * traits_::micro + l;
      if (writes_at(l)) {
        const auto at = in.at(i, l, t);
        const idx j = write_of(t, l);
        this->write_backward(at, row, plain_b(at), [&](int u) { return dZ[j * e + u]; });
        each(values, [&](int u) { rows.V[row * rows.e + u] += dV[j * values + u]; });
      }
      this->evolve_backward(i, l, t, inner + row * size, t, R(0));
    }
    if constexpr (K.order == reads::before_write) {
      read(x, ex, head, t, inner + idx(i) * traits_::micro * size);
      bonus_backward(x, ex, head, i, t);
    }
  }
  /// The bonus of a token's last write.
  __device__ __forceinline__ void bonus_backward(const X& x, const extents& ex, const head_place& head, int i, idx t) const {
    const idx last = idx(i) * traits_::micro + traits_::micro - 1;
    const auto at = in.at(i, traits_::micro - 1, t);
    const R b = plain_b(at);
    for (int r = 0; r < head.readers; ++r) {
      gather<M>(x, ex, head.s, head.at(r), t, 0, 1, reads, raw);
      const auto q_at = reads.at(0, 0, t);
      const R g = dZ[t * traits_::writes * e + t * head.readers + r];  // the bonus's, not the recurrence's
      each(n, [&](int c) {
        if (c == 0) rows.b[last] += g * own_score<M, R, E>(q_at, at);
        cpu::add_lowered(rows.bonus + last * rows.n, n, c, (g * b) * E(q_at.q[c]));
        const E dk = (g * b * R(A::bonus(at, c))) * cpu::write_key<M, E>(at, c);
        if constexpr (is_complex<E>) {
          q[c] = dk.re, q[n + c] = dk.im;
        } else {
          q[c] = dk;
        }
      });
      raise_queries<M, R>(1, grads.reader(r), t, [&](int) { return static_cast<const R*>(q); });
    }
  }
  /// dq of token t from the recurrence's state there, and p of its columns.
  __device__ void read(const X& x, const extents& ex, const head_place& head, idx t, const E* G) const {
    for (int r = 0; r < head.readers; ++r) {
      const int column = int(t) * head.readers + r;
      gather<M>(x, ex, head.s, head.at(r), t, 0, 1, reads, raw);
      const auto at = reads.at(0, 0, t);
      each(n, [&](int c) {
        const E dq = G[idx(c) * e + column];
        if constexpr (is_complex<E>) {
          q[c] = dq.re, q[n + c] = dq.im;
        } else {
          q[c] = dq;
        }
        dS[idx(c) * e + column] = E(at.q[c]);
      });
      raise_queries<M, R>(1, grads.reader(r), t, [&](int) { return static_cast<const R*>(q); });
    }
  }
};

}  // namespace coefdyn::cuda::generic
