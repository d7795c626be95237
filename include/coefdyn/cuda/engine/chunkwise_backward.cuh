// SPDX-License-Identifier: MIT
#pragma once
#include "chunkwise.cuh"
#include "raise.cuh"

/// Backward of the chunkwise form on the device by the chain rule on the equations of cpu/skeletons/chunk.hpp. A block has a group of
/// heads; forward states are kept every few chunks in the workspace and recomputed between.
namespace coefdyn::cuda::generic {

/// p = q'(diag(u) k): the bonus's gradient to q and to diag(u) k. Reads brought to one m carry its factors.
template <class M, class R, class Frame>
__device__ void bonus_backward(const Frame& reads, const operands<M, R>& o, const R* dp, R* dQ, const operands<M, R>& d) {
  each2(o.tokens, o.n, [&](int i, int c) {
    R own(1);
    R& dq = dQ[cpu::read_row<M>(i) * o.ln + c];
    if constexpr (traits<M>::stabilised) {
      own = o.bonus_scale[i];
      dq = dq * o.read_scale[i];
    }
    d.bonus[i * o.ln + c] += own * dp[i] * lowered_element<M, R>(reads.at(i, 0, 0).q, reads.shape.n, c, -1);
    dq += own * dp[i] * o.bonus[i * o.ln + c];
  });
}
/// The gradients d of operands o at micro-step l of token i, as `raise` takes them.
template <class M, class R>
__device__ __forceinline__ row_gradient<R> row_gradient_of(const operands<M, R>& o, const operands<M, R>& d, int i, int l) {
  using O = operands<M, R>;
  const int r = i * O::micro + l;
  return {d.K + r * d.ln,
          O::corrects ? d.row + r * d.ln : nullptr,
          O::corrects && !O::tied ? d.col + r * d.ln : nullptr,
          d.V + r * d.le,
          O::has_decays ? d.g + r * d.decay_width() : nullptr,
          O::turns ? d.co + r * (d.n / 2) : nullptr,
          O::corrects ? d.s[r] : R(0),
          d.b[r],
          O::before ? d.bonus + i * d.ln : nullptr,
          o.b[r],
          traits<M>::stabilised ? o.shift[i] : R(1),
          false};
}
/// Operands' gradients of a chunk to the streams' frame, tokens from `to`.
template <class M, class R, class X>
__device__ __noinline__ void raise_chunk(const chunk_source<M, R, X>& f, const operands<M, R>& d, const gradient_frames<M, R, X>& grads,
                                         idx position, idx to) {
  raise(f.in, f.o.tokens, position, grads.state, to, [&](int i, int l) { return row_gradient_of<M>(f.o, d, i, l); });
}
/// dY (rows, le) from the caller's dy and the read's numerators Y; the normalization's own streams get theirs.
template <class M, class R, class X, class Call, class Maximum>
__device__ __noinline__ void finish_chunk_backward(const chunk_source<M, R, X>& f, const head_place& head, const Call& call,
                                                   const gradient_frames<M, R, X>& grads, R* df, int r, idx t, idx start, const R* Y, R* dY,
                                                   Maximum maximum) {
  const int le = f.o.le;
  clear(dY, f.o.rows * le);
  finish_rows_backward<M>(
      f.reads, f.o.tokens, start + t, [&](int i) { return Y + cpu::read_row<M>(i) * le; }, maximum, call.dy, head.s.batch, head.s.begin + t,
      head.first_reader + r, [&](int i) { return dY + cpu::read_row<M>(i) * le; }, df, grads.reader(r), t);
}

template <class M, class R, class X>
struct chunkwise_backward_block {
  using traits_ = traits<M>;
  using O = operands<M, R>;
  static constexpr int threads = chunk_threads, save_every = 8;
  gradient_frames<M, R, X> grads;
  int length = 0, n = 0, e = 0, le = 0;
  R *dS = nullptr, *dS_start = nullptr, *Y = nullptr, *dY = nullptr, *dQ = nullptr, *dp = nullptr, *df = nullptr, *raw = nullptr;
  chunk<M, R, passes<X>> k;
  O d;
  chunk_source<M, R, X> f;
  R *checkpoints = nullptr, *inner = nullptr, *checkpoint_m = nullptr, *inner_m = nullptr;

  COEFDYN_HD chunkwise_backward_block(memory& a, const extents& x, idx tokens, int length_)
      : grads(a, x, tokens),
        length(length_),
        n(traits_::lowered(x.n)),
        e(value_width<M>(x.d)),
        le(padded(e)),
        dS(a.take<R>(idx(n) * le)),
        dS_start(a.take<R>(idx(n) * le)),
        Y(a.take<R>(idx(length) * traits_::micro * le)),
        dY(a.take<R>(idx(length) * traits_::micro * le)),
        dQ(a.take<R>(idx(length) * traits_::micro * padded(n))),
        dp(a.take<R>(length)),
        df(a.take<R>(length)),
        k(a, length * traits_::micro, n, e, true),
        d(a, length, x.n, e, true),
        f(a, x, length, threads) {
    const idx chunks = (tokens + length - 1) / length, segments = (chunks + save_every - 1) / save_every, size = idx(n) * le;
    raw = f.raw;
    checkpoint_m = a.take<R>(segments), inner_m = a.take<R>(save_every);
    checkpoints = a.take_slow<R>(segments * size), inner = a.take_slow<R>((save_every + 1) * size);
  }
  __device__ void copy(const R* from, R* to) const {
    each(n * le, [&](int i) { to[i] = from[i]; });
  }

  template <class Call>
  __device__ void go(const X& x, const extents& ex, const head_place& head, const Call& call) {
    const idx tokens = head.tokens(), start = call.initial.S.data && call.initial.position.data ? call.initial.position(head.index) : 0,
              size = idx(n) * le;
    const idx chunks = (tokens + length - 1) / length;
    const auto count_of = [&](idx c) { return int(tokens - c * length < length ? tokens - c * length : length); };
    const slice all{0, ex.d, ex.d, e};
    const auto value = f.values(all);
    const R m0 = starting_scale<M, R>(call, head.index, head.state);
    R m = m0;
    load_state<M>(call.initial, head.index, head.state, ex.n, all, le, inner);
    for (idx c = 0; c < chunks; ++c) {
      if (c % save_every == 0) {
        copy(inner, checkpoints + c / save_every * size);
        if (threadIdx.x == 0) checkpoint_m[c / save_every] = m;
      }
      m = f.load(x, ex, head, c * length, count_of(c), start, m);
      k.prepare(f.o, inner, value);
      k.advance(f.o, inner);
    }
    load_final_gradient<M>(call.final_gradient, head.index, head.state, ex.n, ex.d, m, dS, le);
    for (idx segment = (chunks + save_every - 1) / save_every - 1; segment >= 0; --segment) {
      const idx first = segment * save_every, last = first + save_every < chunks ? first + save_every : chunks;
      copy(checkpoints + segment * size, inner);
      m = checkpoint_m[segment];
      for (idx c = first; c < last; ++c) {  // the segment's states again
        if (threadIdx.x == 0) inner_m[c - first] = m;
        R* S = inner + (c - first + 1) * size;
        copy(S - size, S);
        m = f.load(x, ex, head, c * length, count_of(c), start, m);
        k.prepare(f.o, S, value);
        k.advance(f.o, S);
      }
      for (idx c = last - 1; c >= first; --c) {
        const idx t = c * length;
        const int count = count_of(c);
        const R* S = inner + (c - first) * size;
        f.load(x, ex, head, t, count, start, inner_m[c - first]);
        k.prepare(f.o, S, value);
        d.tokens = count, d.rows = f.o.rows;
        d.clear();
        clear(dS_start, n * le);
        k.begin_backward(f.o, inner + (c - first + 1) * size, dS, d);
        for (int r = 0; r < head.readers; ++r) {
          f.load_reads(x, ex, head, r, t, count, 0);
          k.read(f.o, f.Q, f.p, S, Y, value);
          finish_chunk_backward(f, head, call, grads, df, r, t, start, Y, dY, [&](int i) { return f.o.m[i]; });
          k.read_backward(f.o, f.Q, f.p, S, dY, dQ, dp, dS_start, d, value);
          if constexpr (O::before) bonus_backward<M>(f.reads, f.o, dp, dQ, d);
          raise_queries<M, R>(count, grads.reader(r), t, [&](int i) { return dQ + cpu::read_row<M>(i) * f.o.ln; });
        }
        k.finish_backward(f.o, S, dS, dS_start, d, value);
        raise_chunk(f, d, grads, start + t, t);
      }
    }
    store_initial_gradient<M>(call.initial_gradient, head.index, head.state, ex.n, ex.d, m0, static_cast<const R*>(dS), le);
  }
};

}  // namespace coefdyn::cuda::generic
