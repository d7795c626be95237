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
  using traits_ = traits<M>;
  chunkwise_head<M, R, X> f;
  operands<M, R> d;
  gradient_frames<M, R, X> grads;
  int save_every = 0, n = 0, e = 0;
  R *checkpoints = nullptr, *inner = nullptr, *dS = nullptr, *dS_start = nullptr, *dY = nullptr, *dQ = nullptr, *dp = nullptr;
  R *checkpoint_m = nullptr, *inner_m = nullptr;

  chunkwise_backward_head() = default;
  chunkwise_backward_head(arena& a, const extents& size, int length, idx tokens, int save_every_)
      : f(a, size, length, true),
        d(a, length, size.n, padded_width<M>(size.d), true),
        grads(a, size, tokens, length),
        save_every(save_every_),
        n(traits_::lowered(size.n)),
        e(padded_width<M>(size.d)) {
    const idx rows = idx(length) * traits_::micro, chunks = (tokens + length - 1) / length,
              segments = (chunks + save_every - 1) / save_every;
    checkpoints = a.take<R>((segments + 1) * n * e), checkpoint_m = a.take<R>(segments);
    if (save_every > 1) inner = a.take<R>((save_every + 1) * idx(n) * e), inner_m = a.take<R>(save_every);
    dS = a.take<R>(idx(n) * e), dS_start = a.take<R>(idx(n) * e), dY = a.take<R>(rows * e), dQ = a.take<R>(rows * n),
    dp = a.take<R>(length);
  }

  /// Chunks of a sequence, and of a segment between two checkpoints.
  idx chunks_of(idx tokens) const { return (tokens + f.length - 1) / f.length; }
  idx segments_of(idx tokens) const { return (chunks_of(tokens) + save_every - 1) / save_every; }
  idx numbers() const { return idx(n) * e; }  // of a state
};

/// Chunk k of a sequence.
struct chunk_place {
  idx t;
  int count;
};
inline chunk_place chunk_at(idx k, idx tokens, int length) {
  const idx t = k * length;
  return {t, int(tokens - t < length ? tokens - t : length)};
}

/// A state from the start of chunk k to its end, without reads.
template <class M, class R, class X>
void through_chunk(const X& x, const extents& size, const head_place& head, idx k, idx start, chunkwise_head<M, R, X>& f, R* S, R& m) {
  const chunk_place at = chunk_at(k, head.tokens(), f.length);
  f.load(x, size, head, at.t, at.count, start, m);
  f.k.prepare(f.o, S, false);
  f.k.advance(f.o, S);
}
/// The first pass: keeps the state at the start of each segment, and leaves the last one behind them; returns its maximum.
template <class M, class R, class X, class Call>
R save_states(const X& x, const extents& size, const head_place& head, const Call& call, idx start, R m,
              chunkwise_backward_head<M, R, X>& w) {
  const idx chunks = w.chunks_of(head.tokens()), numbers = w.numbers();
  R* S = w.checkpoints + w.segments_of(head.tokens()) * numbers;
  load_state<M>(call.c, head, size, w.e, S);
  for (idx k = 0; k < chunks; ++k) {
    if (k % w.save_every == 0) copy(S, numbers, w.checkpoints + k / w.save_every * numbers), w.checkpoint_m[k / w.save_every] = m;
    through_chunk<M>(x, size, head, k, start, w.f, S, m);
  }
  return m;
}
/// States and maxima at the starts of chunks, the first of them `first`; behind the last the state at its end.
template <class R>
struct saved_states {
  idx first;
  R *S, *m;
};
/// The states within a segment again. With one chunk a segment they are the checkpoints: the next one is this one's end.
template <class M, class R, class X>
saved_states<R> states_of_segment(const X& x, const extents& size, const head_place& head, idx segment, idx start,
                                  chunkwise_backward_head<M, R, X>& w) {
  const idx first = segment * w.save_every, numbers = w.numbers();
  R* const saved = w.checkpoints + segment * numbers;
  if (w.save_every == 1) return {.first = first, .S = saved, .m = w.checkpoint_m + segment};
  copy(saved, numbers, w.inner);
  R m = w.checkpoint_m[segment];
  const idx chunks = w.chunks_of(head.tokens()), last = first + w.save_every < chunks ? first + w.save_every : chunks;
  for (idx k = first; k < last; ++k) {
    w.inner_m[k - first] = m;
    R* S = w.inner + (k - first + 1) * numbers;
    copy(S - numbers, numbers, S);
    through_chunk<M>(x, size, head, k, start, w.f, S, m);
  }
  return {.first = first, .S = w.inner, .m = w.inner_m};
}
/// Reader r of a chunk, whose start has the state S.
template <class M, class R, class X, class Call>
void chunk_reads_backward(const X& x, const extents& size, const head_place& head, int r, const Call& call, idx start, chunk_place at,
                          const R* S, chunkwise_backward_head<M, R, X>& w) {
  using traits_ = traits<M>;
  auto& f = w.f;
  const auto [t, count] = at;
  const R* Q = f.load_reads(x, size, head, r, t, count, 0);
  if constexpr (eta_sees_reads<M>) f.k.read(f.o, Q, f.p, S, f.Y);
  if (traits_::micro > 1 || traits_::needs_sum) clear(w.dY, idx(f.o.rows) * w.e);
  for (int i = 0; i < count; ++i) {
    const idx place = idx(read_row<M>(i)) * w.e;
    const output_row row = head.row(t + i, r);
    if (i + rows_ahead < count && call.dy.strides[3] == 1) fetch<false>(row.in(call.dy) + rows_ahead * call.dy.strides[1], size.d);
    finish_row_backward<M>(f.reads, i, start + t + i, f.Y + place, f.o.m[i], call.dy, row, w.dY + place, w.grads.readers[r],
                           w.grads.row(t + i));
  }
  f.k.read_backward(f.o, Q, f.p, S, w.dY, w.dQ, w.dp, w.dS_start, w.d);
  for (int i = 0; i < count; ++i) {
    R* dq = w.dQ + idx(read_row<M>(i)) * w.n;
    if constexpr (operands<M, R>::before) bonus_backward_of<M, R>(f, i, w.dp[i], dq, w.d);
    raise_query<M>(w.grads.row(t + i), dq, w.grads.readers[r]);
  }
}
/// Chunk k between the states S and `S_end`: dS at its end becomes dS at its start.
template <class M, class R, class X, class Call>
void chunk_backward(const X& x, const extents& size, const head_place& head, const Call& call, idx start, idx k, const R* S, const R* S_end,
                    R m, chunkwise_backward_head<M, R, X>& w) {
  auto& f = w.f;
  const chunk_place at = chunk_at(k, head.tokens(), f.length);
  f.load(x, size, head, at.t, at.count, start, m);
  f.k.prepare(f.o, S);
  w.d.tokens = at.count, w.d.rows = f.o.rows;
  w.d.clear();
  w.grads.open(at.t);
  clear(w.dS_start, w.numbers());
  f.k.begin_backward(f.o, S_end, w.dS, w.d);
  for (int r = 0; r < head.readers; ++r) chunk_reads_backward<M, R>(x, size, head, r, call, start, at, S, w);
  f.k.finish_backward(f.o, S, w.dS, w.dS_start, w.d);
  w.d.clear_idle(f.o);
  raise_tokens<M>(f.k.machine.where(), f.in, start + at.t, f.o, w.d, w.grads.state, w.grads.row(at.t));
  if (w.grads.by_part) w.grads.leave(x, call.g, size, head, at.t, at.count, {.write_only = call.write_only}, f.scratch);
}

/// Gradients of one head into w.grads.
template <class M, class R, class X, class Call>
void chunkwise_backward(const X& x, const extents& size, const head_place& head, const Call& call, chunkwise_backward_head<M, R, X>& w) {
  const idx start = initial_position(call.c, head.index), numbers = w.numbers();
  const R m0 = starting_scale<M, R>(call.c, call.s, head.index, head.state);
  w.f.from_nothing = !call.c.initial && !call.s.initial;
  const R last_m = save_states(x, size, head, call, start, m0, w);
  load_final_gradient(call.s, head.index, head.state, size.n, size.d, w.e, last_m, w.dS);
  idx end = w.chunks_of(head.tokens());
  for (idx segment = w.segments_of(head.tokens()) - 1; segment >= 0; --segment) {
    const saved_states<R> saved = states_of_segment(x, size, head, segment, start, w);
    for (idx k = end - 1; k >= saved.first; --k) {
      const R* S = saved.S + (k - saved.first) * numbers;
      chunk_backward<M, R>(x, size, head, call, start, k, S, S + numbers, saved.m[k - saved.first], w);
    }
    end = saved.first;
  }
  store_initial_gradient(call.s, head.index, head.state, size.n, size.d, w.e, m0, w.dS);
}

}  // namespace coefdyn::cpu
