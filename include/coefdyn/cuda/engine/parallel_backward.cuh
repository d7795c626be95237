// SPDX-License-Identifier: MIT
#pragma once
#include "chunkwise_backward.cuh"
#include "parallel.cuh"
#include "tile_backward.cuh"

/// Backward of the parallel form on the device, as cpu/forms/parallel_backward.hpp goes: a block has a group of heads, tiles of queries
/// from the last to the first, scores recomputed with the row's maximum and sum. A tile's summary is complete once every later
/// tile's queries have passed through it. Workspace O(T (n + d)) a block, and with a gradient of the final state one state a tile.
namespace coefdyn::cuda::generic {

template <class M, class R, class X>
struct parallel_backward_block {
  using traits_ = traits<M>;
  using O = operands<M, R>;
  using P = products<R, passes<X>>;
  static constexpr int threads = chunk_threads;
  gradient_frames<M, R, X> grads;
  int length = 0, n = 0, e = 0, ln = 0, le = 0, lr = 0;
  R *Q0 = nullptr, *dQ = nullptr, *dQ_own = nullptr, *dY = nullptr, *dP = nullptr, *dp = nullptr, *df = nullptr, *raw = nullptr;
  parallel_block<M, R, X> f;
  tile_backward<M, R, passes<X>> back;
  O d;
  R *dS = nullptr, *dS0 = nullptr, *u = nullptr, *du = nullptr;  // (n, e), (n, e), (rows, e), (rows, e)
  tile_store<M, R> store;
  R *summary_grads = nullptr, *dV = nullptr, *passing = nullptr,
    *states = nullptr;  // per tile: gradients, (rows, e), (rows, n); (tiles + 1, n, e)
  idx per_tile = 0;

  COEFDYN_HD parallel_backward_block(memory& a, const extents& x, idx tokens, int length_)
      : grads(a, x, tokens),
        length(length_),
        n(traits_::lowered(x.n)),
        e(value_width<M>(x.d)),
        ln(padded(n)),
        le(padded(e)),
        lr(padded(length * traits_::micro)),
        Q0(a.take<R>(idx(length) * traits_::micro * ln)),
        dQ(a.take<R>(idx(length) * traits_::micro * ln)),
        dQ_own(a.take<R>(idx(length) * traits_::micro * ln)),
        dY(a.take<R>(idx(length) * traits_::micro * le)),
        dP(a.take<R>(idx(length) * traits_::micro * lr)),
        dp(a.take<R>(length)),
        df(a.take<R>(length)),
        f(a, x, length, true),
        back(a, length * traits_::micro, n),
        d(a, length, x.n, e, true),
        dS(traits_::linear ? a.take<R>(idx(n) * le) : nullptr),
        dS0(traits_::linear ? a.take<R>(idx(n) * le) : nullptr),
        u(traits_::linear ? a.take<R>(idx(length) * traits_::micro * le) : nullptr),
        du(traits_::linear ? a.take<R>(idx(length) * traits_::micro * le) : nullptr),
        store(a, x, tokens, length, 1) {
    per_tile = tile_summary_gradient<M, R>::numbers(store.full, n);
    summary_grads = a.take_slow<R>(store.tiles * per_tile), dV = a.take_slow<R>(store.tiles * store.per_values),
    passing = a.take_slow<R>(store.tiles * store.full * idx(ln));
    if (traits_::linear) states = a.take_slow<R>((store.tiles + 1) * n * idx(le));
    raw = f.f.raw;
  }
  __device__ tile_summary_gradient<M, R> gradient(idx j, int rows) const { return {summary_grads + j * per_tile, store.full, rows, n}; }
  __device__ R* value_gradients(idx j) const { return dV + j * store.per_values; }
  __device__ R* queries_at(idx j) const { return passing + j * store.full * ln; }

  /// Scores Z (rows, columns) of tile k become weights as y has them; dP their gradients' scores. m: the rows' final maximum.
  __device__ __noinline__ void weight_gradients(int rows, int columns, idx k, const R* V, bool own) const {
    const bool drops = f.draws.given();
    const int last = e - 1;  // the sum's column, which has all weights
    clear(dP, rows * lr);
    P::nt(rows, columns, drops && traits_::needs_sum ? last : e, dY, le, V, le, dP, lr);
    each2(rows, columns, [&](int i, int j) {
      R &z = f.Z[i * lr + j], &g = dP[i * lr + j];
      if (!parallel_block<M, R, X>::counts(i, j, own)) {
        z = g = R(0);
        return;
      }
      const R s = cpu::takes_maximum<M> ? z - f.m[i] : z, kept = drops ? f.kept(i, j, k) : R(1);
      if (drops) g = kept * g + (traits_::needs_sum ? dY[i * le + last] * V[j * le + last] : R(0));
      g = g * slope<typename M::readout>(s);
      z = M::readout::apply(s);
      if (drops) z = kept * z;
    });
  }

  template <class Call>
  __device__ void go(const X& x, const extents& ex, const head_place& head, const Call& call) {
    const idx tokens = head.tokens(),
              start = traits_::linear && call.initial.S.data && call.initial.position.data ? call.initial.position(head.index) : 0,
              size = idx(n) * le;
    const idx tiles = (tokens + length - 1) / length;
    const slice all{0, ex.d, ex.d, e};
    const R m0 = starting_scale<M, R>(call, head.index, head.state);
    const bool from_state = traits_::linear && (call.initial.S.data || call.initial_gradient.S.data);
    if constexpr (traits_::linear) load_state<M>(call.initial, head.index, head.state, ex.n, all, le, states);
    const R m = make_summaries(x, ex, head, tiles, start, m0);
    if constexpr (traits_::linear) {
      load_final_gradient<M>(call.final_gradient, head.index, head.state, ex.n, ex.d, m, dS, le);
      clear(dS0, int(size));
    }
    for (idx i = threadIdx.x; i < tiles * per_tile; i += blockDim.x) summary_grads[i] = R(0);
    for (idx i = threadIdx.x; i < tiles * store.per_values; i += blockDim.x) dV[i] = R(0);
    __syncthreads();

    for (idx j = tiles - 1; j >= 0; --j) {
      const idx at = j * length;
      const int count = int(tokens - at < length ? tokens - at : length), rows = count * traits_::micro;
      load_tile(f, store, x, ex, head, 0, j, length, start, store.m(0, j));
      const auto here = store.summary(0, j, rows);
      d.tokens = count, d.rows = rows;
      d.clear();
      back.begin(f.f.o);
      auto ds = gradient(j, rows);
      for (int r = 0; r < head.readers; ++r) {
        f.f.load_reads(x, ex, head, r, at, count, 0);
        each(rows * ln, [&](int i) { Q0[i] = f.f.Q[i]; });
        f.draws.begin(ex, head, r, at);
        read_again(here, j, rows, from_state);
        finish_chunk_backward(f.f, head, call, grads, df, r, at, start, static_cast<const R*>(f.Y), dY, [&](int i) {
          return traits_::stabilised ? f.f.o.m[i] : cpu::takes_maximum<M> ? f.m[cpu::read_row<M>(i)] : R(0);
        });
        earlier_backward(j, rows, from_state);
        own_backward(here, j, count, rows, ds);
        raise_queries<M, R>(count, grads.reader(r), at, [&](int i) { return dQ_own + cpu::read_row<M>(i) * ln; });
      }
      if constexpr (traits_::linear) {
        if (call.final_gradient.S.data) state_backward(here, rows, store.value_rows(0, j), states + j * size, ds, value_gradients(j));
      }
      back.finish(f.t, f.f.o, here, ds, d);
      const R* more = value_gradients(j);
      each2(rows, e, [&](int r, int v) { d.V[r * le + v] += more[r * le + v]; });
      raise_chunk(f.f, d, grads, start + at, at);
    }
    if constexpr (traits_::linear) {
      each(int(size), [&](int i) { dS0[i] += dS[i]; });
      store_initial_gradient<M>(call.initial_gradient, head.index, head.state, ex.n, ex.d, m0, static_cast<const R*>(dS0), le);
    }
  }

 private:
  /// Summaries of all tiles and the states that enter them; returns the final maximum.
  __device__ __forceinline__ R make_summaries(const X& x, const extents& ex, const head_place& head, idx tiles, idx start, R m) {
    const idx size = idx(n) * le;
    for (idx j = 0; j < tiles; ++j) {
      if (threadIdx.x == 0) store.m(0, j) = m;
      m = load_tile(f, store, x, ex, head, 0, j, length, start, m);
      if constexpr (traits_::linear) {
        R* S = states + (j + 1) * size;
        each(int(size), [&](int i) { S[i] = S[i - size]; });
        through_tile(P{}, store.summary(0, j, f.f.o.rows), false, f.f.o.rows, e, le, static_cast<const R*>(store.value_rows(0, j)), f.Y, S);
      }
    }
    return m;
  }
  /// The forward pass of a tile's queries; they are kept as they came to each earlier tile.
  __device__ __forceinline__ void read_again(const tile_summary<M, R>& here, idx j, int rows, bool from_state) {
    f.begin_rows(rows);
    f.t.own(f.f.o, here, f.f.Q, f.Z);
    f.weigh(rows, rows, j, store.value_rows(0, j), true);
    f.over_earlier(store, 0, j, rows, from_state, [&](idx k) {
      R* to = queries_at(k);
      each(rows * ln, [&](int i) { to[i] = f.f.Q[i]; });
    });
    if constexpr (traits_::linear) {
      if (from_state) P::nn(rows, e, n, f.f.Q, ln, states, le, f.Y, le);
    }
  }
  /// dQ from what the queries read of earlier tiles and of the state, and those tiles' gradients.
  __device__ __forceinline__ void earlier_backward(idx j, int rows, bool from_state) {
    const int full = store.full;
    clear(dQ, rows * ln);
    if constexpr (traits_::linear) {
      if (from_state) {  // f.f.Q holds the queries at the sequence's start
        P::nt(rows, n, e, dY, le, states, le, dQ, ln);
        P::tn(n, e, rows, f.f.Q, ln, dY, le, dS0, le);
      }
    }
    for (idx k = 0; k < j; ++k) {
      const auto s = store.summary(0, k, full);
      auto dk = gradient(k, full);
      const R* Q = queries_at(k);
      clear(f.Z, rows * lr);
      P::nt(rows, full, n, Q, ln, s.moved, ln, f.Z, lr);
      weight_gradients(rows, full, k, store.value_rows(0, k), false);
      P::tn(full, e, rows, f.Z, lr, dY, le, value_gradients(k), le);
      back.through(s, rows, Q, dP, dQ, dk);
      back.leave(s, rows, Q, dQ, dk);
    }
  }
  /// What the queries read of their own tile: dQ_own, and the tile's gradients.
  __device__ __forceinline__ void own_backward(const tile_summary<M, R>& here, idx j, int count, int rows,
                                               tile_summary_gradient<M, R>& ds) {
    each(rows * ln, [&](int i) { f.f.Q[i] = Q0[i]; });
    f.t.own(f.f.o, here, f.f.Q, f.Z);
    f.own_bonus();
    weight_gradients(rows, rows, j, store.value_rows(0, j), true);
    P::tn(rows, e, rows, f.Z, lr, dY, le, value_gradients(j), le);
    if constexpr (O::before)
      each(count, [&](int i) {  // the bonus's score leaves the tile's own
        const int row = cpu::read_row<M>(i), own = i * traits_::micro + traits_::micro - 1;
        R& g = dP[row * lr + own];
        d.b[own] += f.f.p[i] * g;
        dp[i] = f.f.o.b[own] * g;
        g = R(0);
      });
    back.own(f.t, f.f.o, here, Q0, dP, dQ, dQ_own, d, ds);
    if constexpr (O::before) bonus_backward<M>(f.f.reads, f.f.o, dp, dQ_own, d);
  }
  /// dS at a tile's end becomes dS at its start; S: the state at its start.
  __device__ void state_backward(const tile_summary<M, R>& s, int rows, const R* V, const R* S, const tile_summary_gradient<M, R>& ds,
                                 R* dV_here) const {
    if constexpr (O::turns) {
      const R* end = S + n * le;
      each_sum(
          n / 2, e,
          [&](int p, int v) {
            const channel_pair i = pair_of(O::pairs, p, n);
            return dS[i.y * le + v] * end[i.x * le + v] - dS[i.x * le + v] * end[i.y * le + v];
          },
          [&](int p, R sum) { ds.angle[p] += sum; });
      each2(n / 2, e, [&](int p, int v) {
        const channel_pair i = pair_of(O::pairs, p, n);
        const R a = dS[i.x * le + v], b = dS[i.y * le + v];
        dS[i.x * le + v] = a * s.co[p] + b * s.si[p];
        dS[i.y * le + v] = b * s.co[p] - a * s.si[p];
      });
    }
    P::nt(rows, n, e, V, le, dS, le, ds.moved, ln);
    P::nn(rows, e, n, s.moved, ln, dS, le, dV_here, le);
    if constexpr (O::corrects) {
      clear(u, rows * le), clear(du, rows * le);
      P::nn(rows, e, n, s.U, ln, S, le, u, le);
      P::nt(rows, n, e, u, le, dS, le, ds.ends, ln);
      P::nn(rows, e, n, s.ends, ln, dS, le, du, le);
      P::nt(rows, n, e, du, le, S, le, ds.U, ln);
    }
    if constexpr (O::has_decays) {
      if constexpr (O::channel) {
        each_sum(n, e, [&](int c, int v) { return S[c * le + v] * dS[c * le + v]; }, [&](int c, R sum) { ds.all[c] += sum; });
      } else {
        each_sum(
            1, n * e, [&](int, int k) { return S[k / e * le + k % e] * dS[k / e * le + k % e]; }, [&](int, R sum) { ds.all[0] += sum; });
      }
      each2(n, e, [&](int c, int v) { dS[c * le + v] = s.through(c) * dS[c * le + v]; });
    }
    if constexpr (O::corrects) P::tn(n, e, rows, s.U, ln, du, le, dS, le);
  }
};

}  // namespace coefdyn::cuda::generic
