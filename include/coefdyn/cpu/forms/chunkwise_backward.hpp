// SPDX-License-Identifier: MIT
#pragma once
#include "../stages/gradient_frames.hpp"
#include "chunkwise.hpp"

/// Backward of the chunkwise form by the chain rule on the equations of chunk.hpp. Forward states are kept every `save_every` chunks and
/// recomputed between: (ceil(chunks / save_every) + 1) n e numbers, and save_every + 1 more where it is above 1.
namespace coefdyn::cpu {

/// Whether the gradient needs the reads themselves: for the sum, or for streams of the normalization.
template <class M>
constexpr bool eta_sees_reads = traits<M>::needs_sum || !std::is_same_v<coefdyn::detail::streams_t<typename M::normalization>, list<>>;

/// p = q'(diag(u) k): the bonus's gradient to q and to diag(u) k. Reads brought to one m carry its factors.
template <class M, class R, class Head>
void bonus_backward_of(const Head& f, int i, R dp, R* dq, operands<M, R>& d) {
  const int n = f.o.n;
  R own(1);
  if constexpr (traits<M>::stabilised) {
    own = f.o.bonus_scale[i];
    for (int c = 0; c < n; ++c) dq[c] = dq[c] * f.o.read_scale[i];
  }
  lower_vector<M>(f.reads.at(i, 0, 0).q, f.in.shape.n, -1, f.scratch);
  for (int c = 0; c < n; ++c) {
    d.bonus[idx(i) * n + c] += own * dp * f.scratch[c];
    dq[c] += own * dp * f.o.bonus[idx(i) * n + c];
  }
}
/// The lowered gradients of one row.
template <class M, class R>
row_gradient<R> gradient_of(const operands<M, R>& d, int i, int l) {
  using O = operands<M, R>;
  const idx r = idx(i) * O::micro + l;
  return {d.K + r * d.n,
          O::corrects ? d.row + r * d.n : nullptr,
          O::corrects && !O::tied ? d.col + r * d.n : nullptr,
          d.V + r * d.e,
          O::has_gates ? d.g + r * d.gate_width() : nullptr,
          O::turns ? d.co + r * (d.n / 2) : nullptr,
          O::corrects ? d.s[r] : R(0),
          d.b[r],
          O::before ? d.bonus + idx(i) * d.n : nullptr};
}

/// What operands' gradients d give the streams of a frame's tokens, the first of them at `position` and in row `to` of `grads`.
template <class M, class R, class Frame>
void raise_tokens(target t, const Frame& f, idx position, const operands<M, R>& o, const operands<M, R>& d, Frame& grads, idx to) {
  using T = traits<M>;
  run_on(t, [&] {
    for (int i = 0; i < o.tokens; ++i)
      for (int l = 0; l < T::micro; ++l)
        raise_row<M>(f, i, l, position + i, gradient_of(d, i, l), o.b[i * T::micro + l], T::stabilised ? o.shift[i] : R(1), grads, to + i);
  });
}

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
