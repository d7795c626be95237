// SPDX-License-Identifier: MIT
#pragma once
#include "../engine/lower.cuh"

/// The block of the step kernel: which thread holds what of the lowered state, and its shared memory.
namespace coefdyn::cuda::small {

using namespace generic;  // frames, operands and loops of a block

/// How a block holds the lowered state: thread (group, lane) has `rows` channels of four columns.
template <int Groups, int Rows, int Lanes, int Blocks, int Loads = 1>
struct step_tile {
  static constexpr int groups = Groups, rows = Rows, lanes = Lanes;
  static constexpr int blocks = Blocks;  // that share a multiprocessor's registers
  static constexpr int loads = Loads;    // elements of each stream that a thread has under way
  static constexpr int threads = groups * lanes, channels = groups * rows, columns = 4 * lanes;
};
/// Most tokens of a call, and the largest d.
constexpr idx longest_step = 8;
constexpr int widest_step = 256;
/// For whole sequences: a block's tile, the tokens that it lowers at once, and up to which length it is ahead of the engine's chunks with a
/// scalar gate alone.
using walk_tile = step_tile<8, 4, 8, 10, 4>;
constexpr idx walk_window = 16, longest_scalar_walk = 512;

/// Calls f with the tile for a size.
template <class M, class F>
decltype(auto) with_step_tile(const extents& e, F f) {
  const int n = traits<M>::lowered(e.n);
  if (n > 128) return f(step_tile<16, 16, 16, 2>{});
  if (e.d > 64) return f(step_tile<8, 16, 32, 2>{});
  if (n > 64) return f(step_tile<8, 16, 16, 4>{});
  return f(step_tile<8, 8, 16, 5>{});
}

/// A block's shared memory: everything fits, or tile_fits refuses. Laid out on the host over `origin`; `here` moves it to the memory.
template <class M, class R, class X, class Tile>
struct step_block {
  using traits_ = traits<M>;
  using O = operands<M, R>;
  static constexpr int sums = traits_::needs_sum ? 1 : 0, width = Tile::columns + 4 * sums;  // of a row of columns, the sum's behind
  static constexpr std::size_t origin = 16;
  state_frame_of<M, R, X> in;
  reader_frame_of<M, R, X> reads;  // of the first reader; the others follow in memory
  idx reader_bytes = 0, bytes = 0;
  int readers = 0, window = 0;
  bool fits = false;
  O o;
  R* S = nullptr;                     // (channels, width)
  R *Q = nullptr, *p = nullptr;       // (readers, rows, ln), (readers, window)
  R *part = nullptr, *raw = nullptr;  // (2, groups, width)
  R* numerator = nullptr;             // (window, readers, width)

  /// For at most `window` tokens at once.
  step_block(const extents& e, int window_) : readers(cpu::readers_per_state(e)), window(window_) {
    memory a{reinterpret_cast<std::byte*>(origin), nullptr, shared_limit};
    const frame_shape shape{e.n, e.d, value_width<M>(e.d), window};
    S = a.take<R>(idx(Tile::channels) * width);
    part = a.take<R>(2 * Tile::groups * width);
    lay(a, in, shape);
    memory one;
    lay(one, reads, shape);
    reader_bytes = one.slow_used;
    memory first{nullptr, a.take<std::byte>(reader_bytes * readers)};
    lay(first, reads, shape);
    o = O(a, window, Tile::channels / traits_::lowered(1), value_width<M>(e.d), false);
    o.n = traits_::lowered(e.n);  // rows stay as wide as the tile, zero behind n
    Q = a.take<R>(idx(readers) * o.rows * o.ln), p = a.take<R>(idx(readers) * window);
    numerator = a.take<R>(idx(window) * readers * width);
    raw = a.take<R>(traits_::has_feature ? idx(window) * traits_::writes * e.n : 0);
    bytes = a.fast_used, fits = a.slow_used == 0;
  }
  __device__ step_block here() const {
    step_block w = *this;
    const auto move = [](auto*&... p) { ((p = placed(p)), ...); };
    const auto move_frame = [&]<class... Need>(frame<M, R, list<Need...>>& f) { move(f.template of<Need>().p...); };
    move_frame(w.in), move_frame(w.reads);
    move(w.S, w.Q, w.p, w.part, w.raw, w.numerator, w.o.K, w.o.b, w.o.m, w.o.shift, w.o.lift);
    if constexpr (O::corrects) move(w.o.row, w.o.s);
    if constexpr (O::corrects && !O::tied) move(w.o.col);
    if constexpr (O::has_decays) move(w.o.g);
    if constexpr (O::before) move(w.o.bonus);
    if constexpr (O::turns) move(w.o.co, w.o.si, w.o.whole);
    if constexpr (traits_::stabilised && O::before) move(w.o.read_scale, w.o.bonus_scale);
    return w;
  }
  __device__ reader_frame_of<M, R, X> reader(int r) const {
    reader_frame_of<M, R, X> f = reads;
    const auto move = [&]<class... Need>(frame<M, R, list<Need...>>& g) {
      ((g.template of<Need>().p =
            reinterpret_cast<element_of<Need, R>*>(reinterpret_cast<std::byte*>(g.template of<Need>().p) + r * reader_bytes)),
       ...);
    };
    move(f);
    return f;
  }
  __device__ R* queries(int r) const { return Q + r * window * traits_::micro * o.ln; }

 private:
  template <class P>
  __device__ static P* placed(P* p) {  // through an integer: a pointer of a kernel's argument counts as one to global memory
    extern __shared__ __align__(16) std::byte fast[];
    return reinterpret_cast<P*>(fast + (int(reinterpret_cast<std::size_t>(p)) - int(origin)));
  }
};

/// Tokens that a block lowers at once: as many as fit; 0 if not even one does.
template <class M, class R, class X, class Tile>
int step_window(const extents& e, idx longest) {
  for (int window = longest > 1 ? int(longest) : 1; window > 0; --window) {
    if (step_block<M, R, X, Tile>(e, window).fits) return window;
  }
  return 0;
}
/// Whether a block of this tile serves a state of n x d: by its sizes alone. What all columns share has one owner, so that it can be
/// written where it was read: a mixer with z or m needs one slice.
template <class M, class R, class X, class Tile>
bool tile_fits(const extents& e) {
  const bool shared = traits<M>::needs_sum || traits<M>::stabilised;
  return e.n > 0 && e.d > 0 && traits<M>::lowered(e.n) <= Tile::channels && (!shared || e.d <= Tile::columns) &&
         step_window<M, R, X, Tile>(e, 1) > 0;
}

}  // namespace coefdyn::cuda::small
