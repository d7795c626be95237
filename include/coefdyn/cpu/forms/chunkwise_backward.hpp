// SPDX-License-Identifier: MIT
#pragma once
#include "../stages/bonus.hpp"
#include "../stages/gradient_frames.hpp"
#include "chunkwise.hpp"

/// Backward of the chunkwise form by the chain rule on the equations of chunk.hpp. Forward states are kept every `save_every` chunks and
/// recomputed between: (ceil(chunks / save_every) + 1) n e numbers, and save_every + 1 more where it is above 1.
namespace coefdyn::cpu {

template <class M, class R, class X>
struct chunkwise_backward_head {
  using T = traits<M>;
  chunkwise_head<M, R, X> f;
  operands<M, R> d;
  gradient_frames<M, R, X> grads;
  int save_every = 0, n = 0, e = 0;
  R *checkpoints = nullptr, *inner = nullptr, *dS = nullptr, *dS_start = nullptr, *dY = nullptr, *dQ = nullptr, *dp = nullptr;
  R *checkpoint_m = nullptr, *inner_m = nullptr;

  chunkwise_backward_head() = default;
  chunkwise_backward_head(arena& a, const extents& x, int length, idx tokens, int save_every_)
      : f(a, x, length, true),
        d(a, length, x.n, padded_width<M>(x.d), true),
        grads(a, x, tokens, length),
        save_every(save_every_),
        n(T::lowered(x.n)),
        e(padded_width<M>(x.d)) {
    const idx rows = idx(length) * T::micro, chunks = (tokens + length - 1) / length, segments = (chunks + save_every - 1) / save_every;
    checkpoints = a.take<R>((segments + 1) * n * e), checkpoint_m = a.take<R>(segments);
    if (save_every > 1) inner = a.take<R>((save_every + 1) * idx(n) * e), inner_m = a.take<R>(save_every);
    dS = a.take<R>(idx(n) * e), dS_start = a.take<R>(idx(n) * e), dY = a.take<R>(rows * e), dQ = a.take<R>(rows * n),
    dp = a.take<R>(length);
  }
};

/// Gradients of one head into w.grads; S comes in at the sequence's start.
template <class M, class R, class X, class Call>
void chunkwise_backward(const X& x, const extents& ex, const head& hd, const Call& call, chunkwise_backward_head<M, R, X>& w) {
  using T = traits<M>;
  using O = operands<M, R>;
  const idx tokens = hd.tokens(), start = initial_position(call.c, hd.index), size = idx(w.n) * w.e;
  const int length = w.f.length;
  const idx chunks = (tokens + length - 1) / length;
  const auto count_of = [&](idx chunk) { return int(tokens - chunk * length < length ? tokens - chunk * length : length); };
  const R m0 = starting_scale<M, R>(call.c, call.s, hd.index, hd.state);
  R m = m0;
  w.f.from_nothing = !call.c.initial && !call.s.initial;
  const idx segments = (chunks + w.save_every - 1) / w.save_every;
  R* last_state = w.checkpoints + segments * size;  // where the first pass goes on, and ends
  load_state<M>(call.c, hd.index, hd.state, ex.n, ex.d, w.e, last_state);
  for (idx k = 0; k < chunks; ++k) {
    if (k % w.save_every == 0) copy(size, last_state, w.checkpoints + k / w.save_every * size), w.checkpoint_m[k / w.save_every] = m;
    w.f.load(x, ex, hd, k * length, count_of(k), start, m);
    w.f.k.prepare(w.f.o, last_state, false);
    w.f.k.advance(w.f.o, last_state);
  }
  load_final_gradient(call.s, hd.index, hd.state, ex.n, ex.d, w.e, m, w.dS);
  for (idx segment = segments - 1; segment >= 0; --segment) {
    const idx first = segment * w.save_every, last = first + w.save_every < chunks ? first + w.save_every : chunks;
    R* states = w.checkpoints + segment * size;  // with each chunk's state saved, the next one's is this one's end
    R* scales = w.checkpoint_m + segment;
    if (w.save_every > 1) {
      copy(size, states, w.inner);
      states = w.inner, scales = w.inner_m;
      m = w.checkpoint_m[segment];
      for (idx k = first; k < last; ++k) {  // the segment's states again
        scales[k - first] = m;
        R* S = states + (k - first + 1) * size;
        copy(size, S - size, S);
        w.f.load(x, ex, hd, k * length, count_of(k), start, m);
        w.f.k.prepare(w.f.o, S, false);
        w.f.k.advance(w.f.o, S);
      }
    }
    for (idx k = last - 1; k >= first; --k) {
      const idx t = k * length;
      const int count = count_of(k);
      const R* S = states + (k - first) * size;
      m = scales[k - first];
      auto& f = w.f;
      f.load(x, ex, hd, t, count, start, m);
      f.k.prepare(f.o, S);
      w.d.tokens = count, w.d.rows = f.o.rows;
      w.d.clear();
      w.grads.open(t);
      clear(w.dS_start, size);
      f.k.begin_backward(f.o, S + size, w.dS, w.d);
      for (int r = 0; r < hd.readers; ++r) {
        const R* Q = f.load_reads(x, ex, hd, r, t, count, 0);
        if constexpr (eta_sees_reads<M>) f.k.read(f.o, Q, f.p, S, f.Y);
        if (T::micro > 1 || T::needs_sum) clear(w.dY, idx(f.o.rows) * w.e);
        for (int i = 0; i < count; ++i) {
          const R* row = f.Y + idx(read_row<M>(i)) * w.e;
          if (i + rows_ahead < count && call.dy.strides[3] == 1)
            fetch<false>(&call.dy(hd.s.batch, hd.s.begin + t + i + rows_ahead, hd.first_reader + r, 0), ex.d);
          const R sum = T::needs_sum ? row[ex.d] : R(0);
          const R df = finish_row_backward<M>(f.reads, i, start + t + i, row, sum, f.o.m[i], call.dy, hd.s.batch, hd.s.begin + t + i,
                                              hd.first_reader + r, w.dY + idx(read_row<M>(i)) * w.e);
          raise_eta<M>(f.reads, i, start + t + i, sum, f.o.m[i], df, w.grads.readers[r], w.grads.row(t + i));
        }
        f.k.read_backward(f.o, Q, f.p, S, w.dY, w.dQ, w.dp, w.dS_start, w.d);
        for (int i = 0; i < count; ++i) {
          R* dq = w.dQ + idx(read_row<M>(i)) * w.n;
          if constexpr (O::before) bonus_backward_of<M, R>(f, i, w.dp[i], dq, w.d);
          raise_query<M>(w.grads.row(t + i), dq, w.grads.readers[r]);
        }
      }
      f.k.finish_backward(f.o, S, w.dS, w.dS_start, w.d);
      w.d.clear_idle(f.o);
      raise_tokens<M>(f.k.px.where(), f.in, start + t, f.o, w.d, w.grads.state, w.grads.row(t));
      if (w.grads.by_part) w.grads.leave(x, call.g, ex, hd, t, count, {true, false, true, call.first}, f.scratch);
    }
  }
  store_initial_gradient(call.s, hd.index, hd.state, ex.n, ex.d, w.e, m0, w.dS);
}

}  // namespace coefdyn::cpu
