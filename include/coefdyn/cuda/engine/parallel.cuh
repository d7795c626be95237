// SPDX-License-Identifier: MIT
// Above 300 lines: one form, its kernels and their plan.
#pragma once
#include "../../cpu/stages/maximum.hpp"
#include "../../cpu/stages/weight_draws.hpp"
#include "chunkwise.cuh"
#include "tile.cuh"

/// The parallel form on the device, any readout map: first the tiles' summaries, a block for each state head; then a block for
/// each tile of queries, from its own tile leftwards, weights summed at once (online softmax where phi is an exponential under
/// a normalization). No T x T storage.
namespace coefdyn::cuda::generic {

/// What a sequence's tiles leave for each other in the workspace.
template <class M, class R>
struct tile_store {
  R *summaries = nullptr, *values = nullptr, *running = nullptr;  // per tile: numbers, (full, le), m at its start
  idx per_tile = 0, per_values = 0, tiles = 0;                    // tiles of a sequence, at most
  int full = 0, n = 0, le = 0;
  COEFDYN_HD tile_store(memory& a, const extents& e, idx longest, int length, idx heads)
      : per_tile(tile_summary<M, R>::numbers(length * traits<M>::micro, traits<M>::lowered(e.n))),
        tiles((longest + length - 1) / length),
        full(length * traits<M>::micro),
        n(traits<M>::lowered(e.n)),
        le(padded(value_width<M>(e.d))) {
    per_values = idx(full) * le;
    summaries = a.take_slow<R>(heads * tiles * per_tile), values = a.take_slow<R>(heads * tiles * per_values),
    running = a.take_slow<R>(heads * (tiles + 1));
  }
  __device__ tile_summary<M, R> summary(idx head, idx j, int rows) const {
    return {summaries + (head * tiles + j) * per_tile, full, rows, n};
  }
  __device__ R* value_rows(idx head, idx j) const { return values + (head * tiles + j) * per_values; }
  __device__ R& m(idx head, idx j) const { return running[head * (tiles + 1) + j]; }
};

template <class M, class R, class X>
struct parallel_block {
  using traits_ = traits<M>;
  using O = operands<M, R>;
  using P = products<R, passes<X>>;
  static constexpr int threads = chunk_threads;
  int length = 0, n = 0, e = 0, ln = 0, le = 0, lr = 0;
  R *Y = nullptr, *Z = nullptr, *dots = nullptr, *m = nullptr, *factor = nullptr;  // (rows, e), (rows, rows), (rows, rows), (rows), (rows)
  R* mine = nullptr;                                                               // the block's own tile's summary
  tile<M, R, passes<X>> t;
  chunk_source<M, R, X> f;
  cpu::weight_draws<M, R> draws;

  COEFDYN_HD parallel_block(memory& a, const extents& x, int length_, bool backward = false)
      : length(length_),
        n(traits_::lowered(x.n)),
        e(value_width<M>(x.d)),
        ln(padded(n)),
        le(padded(e)),
        lr(padded(length * traits_::micro)),
        Y(a.take<R>(idx(length) * traits_::micro * le)),
        Z(a.take<R>(idx(length) * traits_::micro * lr)),
        dots(a.take<R>(O::corrects ? idx(length) * traits_::micro * lr : 0)),
        m(a.take<R>(length * traits_::micro)),
        factor(a.take<R>(length * traits_::micro)),
        mine(a.take<R>(tile_summary<M, R>::numbers(length * traits_::micro, n))),
        t(a, length * traits_::micro, n, backward),
        f(a, x, length, threads) {}

  __device__ tile_summary<M, R> own_summary(int full) const { return {mine, full, f.o.rows, n}; }
  static __device__ bool writes_at(int row) { return traits_::writes_at(row % traits_::micro); }
  static __device__ bool is_read(int row) {
    return row % traits_::micro == (traits_::structure.order == reads::before_write ? 0 : traits_::micro - 1);
  }
  /// Whether read row i counts row j; `own`: of its own tile, where the bonus stands at the token's last row.
  static __device__ bool counts(int i, int j, bool own) {
    if (!is_read(i)) return false;
    if (!own) return writes_at(j);
    if (traits_::structure.order == reads::before_write)
      return (writes_at(j) && j < i) || j == i / traits_::micro * traits_::micro + traits_::micro - 1;
    return writes_at(j) && j <= i;
  }
  /// The bonus's scores into the tile's own.
  __device__ void own_bonus() const {
    if constexpr (O::before)
      each(f.o.tokens, [&](int i) {
        const int w = i * traits_::micro + traits_::micro - 1;
        Z[cpu::read_row<M>(i) * lr + w] = f.p[i] * f.o.b[w];
      });
  }
  /// What the weight of read row i is multiplied by where it meets row j of tile k.
  __device__ R kept(int i, int j, idx k) const {
    return draws.factor_at(*draws.drop.draws, draws.word(i / traits_::micro, k * length * traits_::micro + j));
  }
  /// The same as P::nn(Z, V) of weights that are dropped: their sums, V's last column, are those of all.
  __device__ __noinline__ void add_dropped(int rows, int columns, idx k, const R* V) const {
    if constexpr (traits_::needs_sum)
      each_sum(
          rows, columns, [&](int i, int j) { return Z[i * lr + j] * V[j * le + e - 1]; }, [&](int i, R sum) { Y[i * le + e - 1] += sum; });
    each2(rows, columns, [&](int i, int j) { Z[i * lr + j] = kept(i, j, k) * Z[i * lr + j]; });
    P::nn(rows, e - int(traits_::needs_sum), columns, Z, lr, V, le, Y, le);
  }
  /// Weights of scores Z against `columns` rows of values V (le) of tile k, added to Y.
  __device__ __noinline__ void weigh(int rows, int columns, idx k, const R* V, bool own) const {
    if (own) own_bonus();
    if constexpr (cpu::takes_maximum<M>) {
      const int lane = int(threadIdx.x) % 32;
      for (int i = int(threadIdx.x) / 32; i < rows; i += int(blockDim.x) / 32) {
        R top = m[i];
        for (int j = lane; j < columns; j += 32)
          if (counts(i, j, own)) top = math::max(top, Z[i * lr + j]);
        for (int step = 16; step > 0; step /= 2) top = math::max(top, R(__shfl_xor_sync(~0u, top, step)));
        if (lane == 0) {
          factor[i] = top > m[i] ? math::exp(m[i] - top) : R(1);
          m[i] = top;
        }
      }
      __syncthreads();
      each2(rows, e, [&](int i, int v) { Y[i * le + v] = factor[i] * Y[i * le + v]; });
    }
    each2(rows, columns, [&](int i, int j) {
      R& z = Z[i * lr + j];
      z = counts(i, j, own) ? M::readout::apply(cpu::takes_maximum<M> ? z - m[i] : z) : R(0);
    });
    if (draws.given()) add_dropped(rows, columns, k, V);
    else P::nn(rows, e, columns, Z, lr, V, le, Y, le);
  }
  /// The queries in f.Q through all tiles before j, weights added to Y; `visit(k)` sees them at the end of each earlier tile.
  template <class Visit>
  __device__ void over_earlier(const tile_store<M, R>& store, idx head, idx j, int rows, bool to_start, Visit visit) const {
    for (idx k = j - 1; k >= 0; --k) {
      const auto s = store.summary(head, k, store.full);
      if constexpr (O::turns) {
        if (!f.o.onward) s.turn(rows, -1, f.Q);
      }
      visit(k);
      clear(Z, rows * lr);
      P::nt(rows, store.full, n, f.Q, ln, s.moved, ln, Z, lr);
      weigh(rows, store.full, k, store.value_rows(head, k), false);
      if (k || to_start) s.transport(P{}, rows, f.Q, dots, lr);
    }
  }
  __device__ void begin_rows(int rows) const {
    clear(Y, rows * le);
    each(rows, [&](int i) { m[i] = cpu::starting_maximum<M, R>(); });
  }
};

/// Streams, operands and summary of tile j; the values are kept too. Returns the running maximum at its end.
template <class M, class R, class X>
__device__ R load_tile(parallel_block<M, R, X>& w, const tile_store<M, R>& store, const X& x, const extents& e, const head_place& head,
                       idx head_at, idx j, int length, idx start, R m) {
  const idx at = j * length, tokens = head.tokens();
  const int count = int(tokens - at < length ? tokens - at : length);
  m = w.f.load(x, e, head, at, count, start, m);
  w.t.prepare(w.f.o, store.summary(head_at, j, w.f.o.rows));
  R* V = store.value_rows(head_at, j);
  const auto value = w.f.values(slice{0, e.d, e.d, w.e});
  each2(w.f.o.rows, w.e, [&](int r, int v) { V[r * w.le + v] = parallel_block<M, R, X>::writes_at(r) ? value(r, v) : R(0); });
  return m;
}
/// A state (n, le) from a tile's start to its end: S <- e^Gamma S + ends' (U S) + moved' V, turned by the tile's angle unless `onward`.
template <skeleton Kind, class R, class P>
__device__ void through_tile(P, const skeletons::tile_summary<Kind, R>& s, bool onward, int rows, int e, int le, const R* V, R* u, R* S) {
  using O = skeletons::operands<Kind, R>;
  if constexpr (O::corrects) {
    clear(u, rows * le);
    P::nn(rows, e, s.n, s.U, s.ln, S, le, u, le);
  }
  if constexpr (O::has_decays) each2(s.n, e, [&](int c, int v) { S[c * le + v] = s.through(c) * S[c * le + v]; });
  if constexpr (O::corrects) P::tn(s.n, e, rows, s.ends, s.ln, u, le, S, le);
  P::tn(s.n, e, rows, s.moved, s.ln, V, le, S, le);
  if constexpr (O::turns) {
    if (onward) return;
    each2(s.n / 2, e, [&](int p, int v) {
      const channel_pair i = pair_of(O::pairs, p, s.n);
      const R a = S[i.x * le + v], b = S[i.y * le + v];
      S[i.x * le + v] = a * s.co[p] - b * s.si[p];
      S[i.y * le + v] = a * s.si[p] + b * s.co[p];
    });
  }
}

/// The summaries of all tiles of a state head, and its final state.
template <class M, class R, class X, class Carry>
__global__ void __launch_bounds__(chunk_threads)
    summaries_kernel(const __grid_constant__ X x, const __grid_constant__ extents e, int length, const __grid_constant__ Carry carry,
                     const __grid_constant__ tile_store<M, R> store, std::byte* slow, idx slow_bytes, idx fast_bytes, idx items) {
  using traits_ = traits<M>;
  extern __shared__ __align__(16) std::byte fast[];
  memory a{fast, slow + idx(blockIdx.x) * slow_bytes, fast_bytes};
  parallel_block<M, R, X> w(a, e, length);
  R* const S = traits_::linear ? a.take<R>(idx(w.n) * w.le) : nullptr;
  w.f.o.begin_forward();
  each_item(items, [&](idx item) {
    const head_place head = head_at(x, e, item);
    const idx tokens = head.tokens(),
              start = traits_::linear && carry.initial.S.data && carry.initial.position.data ? carry.initial.position(head.index) : 0;
    const slice all{0, e.d, e.d, w.e};
    R m = initial_maximum_of<M, R>(carry.initial, head.index, head.state);
    if constexpr (traits_::linear) load_state<M>(carry.initial, head.index, head.state, e.n, all, w.le, S);
    idx j = 0;
    for (; j * length < tokens; ++j) {
      if (threadIdx.x == 0) store.m(item, j) = m;
      m = load_tile(w, store, x, e, head, item, j, length, start, m);
      if constexpr (traits_::linear) {
        if (carry.final.S.data)
          through_tile(products<R, passes<X>>{}, store.summary(item, j, w.f.o.rows), w.f.o.onward, w.f.o.rows, w.e, w.le,
                       static_cast<const R*>(store.value_rows(item, j)), w.Y, S);
      }
    }
    if constexpr (traits_::linear) {
      if (carry.final.S.data) {
        each_unsynced(w.e,
                      [&](int u) { leave_column<M, R>(w.f.o, tokens > 0, carry.final, head.index, head.state, e.n, all, u, w.le, S); });
        if (threadIdx.x == 0) store_marks<M>(carry.final, head.index, head.state, m, start + tokens);
      }
    }
  });
}

template <class M, class R, class X, class Y, class Carry>
__global__ void __launch_bounds__(chunk_threads)
    parallel_kernel(const __grid_constant__ X x, const __grid_constant__ extents e, int length, const __grid_constant__ Y y,
                    const __grid_constant__ Carry carry, const __grid_constant__ tile_store<M, R> store,
                    const __grid_constant__ form::weight_dropout drop, std::byte* slow, idx slow_bytes, idx fast_bytes, idx items) {
  using traits_ = traits<M>;
  extern __shared__ __align__(16) std::byte fast[];
  memory a{fast, slow + idx(blockIdx.x) * slow_bytes, fast_bytes};
  parallel_block<M, R, X> w(a, e, length);
  w.draws.drop = drop;
  R* const S = traits_::linear ? a.take<R>(idx(w.n) * w.le) : nullptr;
  auto& f = w.f;
  f.o.begin_forward();
  each_item(items, [&](idx item) {
    const idx heads = e.sequences * e.states, head_index_at = item % heads, j = store.tiles - 1 - item / heads;  // the longest first
    const head_place head = head_at(x, e, head_index_at);
    const idx tokens = head.tokens(), at = j * length,
              start = traits_::linear && carry.initial.S.data && carry.initial.position.data ? carry.initial.position(head.index) : 0;
    if (at >= tokens) return;
    const int count = int(tokens - at < length ? tokens - at : length), from = int(e.first_read - at <= 0      ? 0
                                                                                   : e.first_read - at < count ? e.first_read - at
                                                                                                               : count);
    if (from == count) return;
    f.load(x, e, head, at, count, start, store.m(head_index_at, j));
    const int rows = f.o.rows;
    const auto own = w.own_summary(store.full);
    w.t.prepare(f.o, own);
    const bool from_state = traits_::linear && carry.initial.S.data;
    for (int r = 0; r < head.readers; ++r) {
      f.load_reads(x, e, head, r, at, count, from);
      w.draws.begin(e, head, r, at);
      w.begin_rows(rows);
      w.t.own(f.o, own, f.Q, w.Z);
      w.weigh(rows, rows, j, store.value_rows(head_index_at, j), true);
      w.over_earlier(store, head_index_at, j, rows, from_state, [](idx) {});
      if constexpr (traits_::linear) {
        if (from_state) {
          const slice all{0, e.d, e.d, w.e};
          load_state<M>(carry.initial, head.index, head.state, e.n, all, w.le, S);
          products<R, passes<X>>::nn(rows, w.e, w.n, f.Q, w.ln, S, w.le, w.Y, w.le);
        }
      }
      each2(count - from, e.d, [&](int k, int v) {
        const int i = from + k, row = cpu::read_row<M>(i);
        const R* out = w.Y + row * w.le;
        finish_element<M>(out[v], traits_::needs_sum ? out[e.d] : R(0),
                          traits_::stabilised     ? f.o.m[i]
                          : cpu::takes_maximum<M> ? w.m[row]
                                                  : R(0),
                          f.reads.at(i, 0, start + at + i), y, head.s.batch, head.s.begin + at + i - e.first_read, head.first_reader + r,
                          v);
      });
    }
  });
}

template <class M, class R, class X>
struct parallel_plan : engine_plan<X, true> {
  using Base = engine_plan<X, true>;
  using Base::blocks, Base::e, Base::fast, Base::items, Base::longest, Base::slow;
  int length = 0;
  idx shared_bytes = 0, heads = 0;
  form::weight_dropout drop;
  parallel_plan(form::parallel f, const X&, const extents& e_, idx longest_) : Base(e_, longest_), drop(f.drop) {
    length = tuning_for<M, R>(e.n, e.d).chunk;
    if (length > longest) length = longest > 0 ? int(longest) : 1;
    heads = e.sequences * e.states;
    memory all;
    const tile_store<M, R> store(all, e, longest, length, heads);
    shared_bytes = all.slow_used;
    memory a{nullptr, nullptr, largest_shared()};
    const parallel_block<M, R, X> w(a, e, length);
    if (traits<M>::linear) a.take<R>(idx(w.n) * w.le);
    fast = a.fast_used, slow = a.slow_used;
    items = heads * store.tiles;
    blocks = blocks_for(items > heads ? items : heads, slow);
  }
  std::string name() const { return "parallel, generic, tiles of " + std::to_string(tuning_for<M, R>(e.n, e.d).chunk); }
  idx bytes() const { return this->detour_bytes() + shared_bytes + slow * blocks; }
  template <class Y, class Carry>
  void run(cudaStream_t stream, const X& x, const Y& y, const Carry& c, std::byte* ws, std::byte*) const {
    this->with_states_apart(stream, x, c, ws, [&](const Carry& own, std::byte* at) {
      memory all{nullptr, at};
      const tile_store<M, R> store(all, e, longest, length, heads);
      std::byte* const rest = at + shared_bytes;
      launch(stream, summaries_kernel<M, R, X, Carry>, "summaries_kernel", heads < blocks ? heads : blocks, chunk_threads,
             std::size_t(fast), x, e, length, own, store, rest, slow, fast, heads);
      launch(stream, parallel_kernel<M, R, X, Y, Carry>, "parallel_kernel", items < blocks ? items : blocks, chunk_threads,
             std::size_t(fast), x, e, length, y, own, store, drop, rest, slow, fast, items);
    });
  }
};

}  // namespace coefdyn::cuda::generic
