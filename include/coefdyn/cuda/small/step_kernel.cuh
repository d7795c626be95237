// SPDX-License-Identifier: MIT
#pragma once
#include "step_fetch.cuh"

/// A few tokens of a linear mixer in float: the state crosses memory once each way. A block has a sequence, a state head and a slice of
/// value columns. The state is on its way into shared memory while the tokens are lowered, is in registers while they pass:
///
///   w = row' S,   S <- e^g S + K (b v)' + s col w',   y = Q' S      for each row of the timeline of micro-steps
///
/// and goes back from there. row sees S before or after e^g, as the structure says; sums over channels have a fixed order.
namespace coefdyn::cuda::small {

/// The tokens of a window, lowered, and the state that they pass.
template <class M, class R, class X, class Tile>
struct lowered_window {
  using traits_ = traits<M>;
  using Block = step_block<M, R, X, Tile>;
  using O = operands<M, R>;
  using Held = held_state<M, R, X, Tile>;
  static constexpr int W = Held::W, width = Held::width;
  const Block w;
  slice s;
  int from, count;  // tokens from `from` on are read, of `count`
  Held held;

  __device__ __forceinline__ lowered_window(const Block& there, const slice& s_, int from_, int count_)
      : w(there.here()), s(s_), from(from_), count(count_), held(w) {}

  /// This thread's values of a write, times f.
  __device__ __forceinline__ void values(int i, int l, R f, R (&out)[W]) const {
    const R* v = w.in.template where<need<stream::v, ticks::write, width::value>>(i, l) + s.first + held.lane * 4;
#pragma unroll
    for (int u = 0; u < 4; ++u) out[u] = held.lane * 4 + u < s.count ? f * v[u] : R(0);
    if constexpr (traits_::needs_sum) out[4] = f;
  }
  /// Token i's numerators.
  __device__ __forceinline__ void read(int i) {
    if (i < from) return;
    for (int r = 0; r < w.readers; ++r) {
      R sum[W];
      held.contract(w.queries(r) + cpu::read_row<M>(i) * w.o.ln, sum);
      if constexpr (O::before) {
        R own[W];
        values(i, traits_::micro - 1, w.p[r * w.window + i] * w.o.b[(i + 1) * traits_::micro - 1], own);
#pragma unroll
        for (int u = 0; u < W; ++u) sum[u] += own[u];
      }
      if (held.group == 0) held.put_row(w.numerator + (i * w.readers + r) * width, sum);
    }
  }
  /// Micro-step l of token i.
  __device__ __forceinline__ void write(int i, int l) {
    constexpr bool undecayed = O::corrects && traits_::structure.row_sees == sees::undecayed;
    const int r = i * traits_::micro + l;
    R corrected[W], written[W];
    if constexpr (undecayed) held.contract(w.o.row + r * w.o.ln, corrected);
    if constexpr (O::has_decays) {
      if (l == 0) held.decay(w.o.g + r * w.o.decay_width());
    }
    if constexpr (O::corrects && !undecayed) held.contract(w.o.row + r * w.o.ln, corrected);
    const bool writes = traits_::structure.writes_each || l == traits_::micro - 1;
    if (writes) values(i, l, w.o.b[r], written);
    if constexpr (O::corrects) {
      const R strength = w.o.s[r];
#pragma unroll
      for (int u = 0; u < W; ++u) corrected[u] = strength * corrected[u] + (O::tied && writes ? written[u] : R(0));
      held.add(w.o.columns() + r * w.o.ln, corrected);
    }
    if (writes && !(O::corrects && O::tied)) held.add(w.o.K + r * w.o.ln, written);
  }
  __device__ __forceinline__ void pass() {
    for (int i = 0; i < count; ++i) {
      if constexpr (O::before) read(i);
#pragma unroll
      for (int l = 0; l < traits_::micro; ++l) write(i, l);
      if constexpr (!O::before) read(i);
    }
  }
  /// Out of the frame of turning of the window's start.
  __device__ __forceinline__ void turn() {
    if constexpr (O::turns) {
      if (count > 0) {
        held.to_tile();
        __syncthreads();
        each2(w.o.n / 2, s.count + Block::sums, [&](int q, int u) {
          const int v = u < s.count ? u : Tile::columns;
          const channel_pair i = pair_of(O::pairs, q, w.o.n);
          w.o.turn_whole(q, +1, held.tile[i.x * width + v], held.tile[i.y * width + v]);
        });
        held.from_tile();
      }
    }
  }
};

/// A block's item: a slice of value columns of a state head of a sequence.
template <class M, class R, class X, class Y, class Carry, class Tile>
struct step_item {
  using traits_ = traits<M>;
  using Block = step_block<M, R, X, Tile>;
  using Window = lowered_window<M, R, X, Tile>;
  const X& x;
  const extents& e;
  const Block& there;
  const Y& y;
  const Carry& carry;
  head_place head;
  slice s;
  idx tokens = 0, start = 0;
  int next = 0;  // of the captured states

  __device__ __forceinline__ void find(idx item) {
    const unsigned slices = unsigned(slices_of(e.d, Tile::columns)), heads = unsigned(e.states);
    const unsigned at = slices > 1 ? unsigned(item) / slices : unsigned(item), index = at / heads;
    s = slice_at<M>(e.d, int(unsigned(item) - at * slices), Tile::columns);
    head.index = index, head.s = sequence_at(x, e, head.index), head.state = int(at - index * heads);
    head.readers = there.readers, head.first_reader = head.state * there.readers;
    tokens = head.tokens(), start = carry.initial.S.data && carry.initial.position.data ? carry.initial.position(head.index) : 0;
  }
  /// All tokens in windows of as many as fit; once also for no tokens: the state passes.
  __device__ __forceinline__ void go() {
    R m = initial_maximum_of<M, R>(carry.initial, head.index, head.state);
    idx t0 = 0;
    do {
      const idx left = tokens - t0, most = carry.captures > 0 ? 1 : there.window;
      const int count = int(left < most ? left : most);
      const int from = int(e.first_read - t0 <= 0 ? 0 : e.first_read - t0 < count ? e.first_read - t0 : count);
      const R last = m;
      m = step_prepare<M, R, X, Carry, Tile>(x, e, carry, there, head, s, start, t0, from, count, m);
      Window w(there, s, from, count);
      pass(w, t0, last, m);
      t0 += count;
    } while (t0 < tokens);
  }

 private:
  template <class V>
  __device__ __forceinline__ void store(const Window& w, const V& out, idx at, R maximum, idx position) const {
    w.held.store(out, at, head.state, e.n, s);
    if (threadIdx.x == 0 && s.first == 0) store_marks<M>(out, at, head.state, maximum, position);
  }
  __device__ __forceinline__ void capture(const Window& w, idx done, R maximum) {
    for (; next < carry.captures && (carry.positions[next] <= done || done == tokens); ++next)
      store(w, carry.captured, idx(next) * e.sequences + head.index, maximum, start + done);
  }
  /// A window of tokens from t0 on; `last` and `m`: the maxima before and behind it.
  __device__ __forceinline__ void pass(Window& w, idx t0, R last, R m) {
    if (t0 == 0) __pipeline_wait_prior(0);
    __syncthreads();
    w.held.from_tile();
    if (t0 == 0) capture(w, 0, last);
    w.pass();
    w.turn();
    const idx behind = t0 + w.count;
    if (w.count > 0) capture(w, behind, m);
    if (behind < tokens) w.held.to_tile();
    else if (carry.final.S.data) store(w, carry.final, head.index, m, start + tokens);
    __syncthreads();
    const unsigned readers = unsigned(w.w.readers), columns = unsigned(s.count), all = unsigned(w.count - w.from) * readers * columns;
    for (unsigned k = threadIdx.x; k < all; k += Tile::threads) {
      const unsigned row = columns == 1 ? k : k / columns, i = unsigned(w.from) + (readers == 1 ? row : row / readers);
      const int r = readers == 1 ? 0 : int(row % readers), v = int(k - row * columns);
      const R* sums = w.w.numerator + (int(i) * w.w.readers + r) * Window::width;
      finish_element<M>(sums[v], traits_::needs_sum ? sums[Tile::columns] : R(0), w.w.o.m[i], w.w.reader(r).at(int(i), 0, start + t0 + i),
                        y, head.s.batch, head.s.begin + t0 + i - e.first_read, head.first_reader + r, s.first + v);
    }
    __syncthreads();
  }
};

template <class M, class R, class X, class Y, class Carry, class Tile>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
    step_kernel(const __grid_constant__ X x, const __grid_constant__ extents e, const __grid_constant__ step_block<M, R, X, Tile> there,
                const __grid_constant__ Y y, const __grid_constant__ Carry carry, int items) {
  if (there.o.n < Tile::channels) {  // operands behind n: zero, once and for all
    const step_block<M, R, X, Tile> w = there.here();
    w.o.clear();
    clear(w.Q, w.readers * w.o.rows * w.o.ln);
  }
  each_item(items, [&](idx item) {
    step_item<M, R, X, Y, Carry, Tile> one{x, e, there, y, carry};
    one.find(item);
    one.go();
  });
}

}  // namespace coefdyn::cuda::small
