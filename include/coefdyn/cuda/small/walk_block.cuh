// SPDX-License-Identifier: MIT
#pragma once
#include "lane_tile.cuh"
#include "walk_rows.cuh"

/// The memory of a block of the small shapes' backward kernel.
namespace coefdyn::cuda::small {

/// Whether a read's gradient needs the read itself: eta sums, or has streams of its own.
template <class M>
constexpr bool needs_numerators = traits<M>::needs_sum || !std::is_same_v<coefdyn::detail::streams_t<typename M::normalization>, list<>>;

/// What one reader of a state has in shared memory.
template <class M, class R, class X>
struct walk_reader {
  reader_frame_of<M, R, X> in, gradient;
  R *Q = nullptr, *dQ = nullptr;                // (rows, ln)
  R *dY = nullptr, *Y = nullptr, *p = nullptr;  // (tokens, ln) twice, (tokens)
  R* raw = nullptr;                             // (tokens, n)
};

/// A block's shared memory: everything fits, or the plan refuses. Laid out on the host over `origin`; `here` moves it to the memory. N:
/// of the lowered state's channels and of value columns, the sum's among them.
template <class M, class R, class X, int N>
struct walk_block {
  using traits_ = traits<M>;
  using O = operands<M, R>;
  using Tile = lane_tile<N>;
  using Reader = walk_reader<M, R, X>;
  static constexpr int threads = 64, ln = padded(N), micro = traits_::micro;
  static constexpr int longest = 16, shortest = 4;              // rows of the timeline that are in memory at once
  static constexpr idx wanted_bytes = N == 16 ? 28160 : 37000;  // so that eight blocks, or six, share a multiprocessor's memory
  static constexpr bool corrects = O::corrects, untied = O::corrects && !O::tied, states = O::has_decays || O::corrects;
  static constexpr bool numerators = needs_numerators<M>;
  static constexpr std::size_t origin = 16;
  state_frame_of<M, R, X> in, gradient;
  Reader first;  // of the readers; the others follow in memory
  idx reader_bytes = 0, gradient_bytes = 0, bytes = 0;
  int readers = 0, tokens = 0, rows = 0;  // of a window
  bool fits = false;
  O o, d;                                             // what o has is overwritten by its gradient
  R* W = nullptr;                                     // (rows, ln): what is written
  R *X_ = nullptr, *dX = nullptr;                     // (rows, ln): what the corrections read
  R *dW = nullptr, *du = nullptr;                     // (rows, ln); dW becomes dV
  R* decays = nullptr;                                // (rows, ln): gradients of a scalar's channels
  R *history = nullptr, *matrix = nullptr;            // (rows / 2, N N) of a warp's own elements; (N, ln), in the same memory
  R *df = nullptr, *raw = nullptr, *spare = nullptr;  // (tokens), (rows, n), (2 rows, n)

  walk_block(const extents& e, int tokens_) : readers(cpu::readers_per_state(e)), tokens(tokens_), rows(tokens_ * micro) {
    memory a{reinterpret_cast<std::byte*>(origin), nullptr, shared_limit};
    const frame_shape shape{e.n, e.d, value_width<M>(e.d), tokens};
    lay(a, in, shape);
    o = O(a, tokens, N / traits_::lowered(1), N, false);
    o.n = traits_::lowered(e.n);  // rows stay as wide as the bucket, zero behind n
    const auto wide = [&](bool is) { return a.take<R>(is ? idx(rows) * ln : 0); };
    W = wide(true), X_ = wide(corrects), dX = wide(corrects), dW = wide(true), du = wide(untied),
    decays = wide(O::has_decays && !O::channel);
    d = o, d.V = dW, d.b = a.take<R>(rows);
    if (corrects) d.s = a.take<R>(rows);
    if (O::before) d.bonus = a.take<R>(idx(tokens) * ln);
    if (O::has_decays && !O::channel) d.g = a.take<R>(rows);
    df = a.take<R>(tokens);
    const bool whole = window_rows<M, R, X, state_frame_of<M, R, X>>::whole_vectors;
    raw = a.take<R>(whole ? idx(rows) * e.n : 0), spare = a.take<R>(whole ? idx(rows) * 2 * e.n : 0);
    memory one;
    lay_reader(one, shape, e);
    reader_bytes = one.slow_used;
    memory all{nullptr, a.take<std::byte>(reader_bytes * readers)};
    lay_reader(all, shape, e);
    lay_gradients(a, shape, cpu::states_per_group(e) == 1);
    bytes = a.fast_used, fits = a.slow_used == 0;
  }
  /// With the longest window that leaves room for other blocks.
  static walk_block fitting(const extents& e) {
    for (int tokens = longest / micro; tokens * micro > shortest && tokens > 1; --tokens) {
      const walk_block block(e, tokens);
      if (block.bytes <= wanted_bytes) return block;
    }
    return {e, shortest / micro > 0 ? shortest / micro : 1};
  }
  __device__ walk_block here() const {
    walk_block w = *this;
    const auto move = [](auto*&... p) { ((p = placed(p)), ...); };
    each_pointer(w.in, move), each_pointer(w.gradient, move), move_reader(w.first, move, move);
    move(w.W, w.X_, w.dX, w.dW, w.du, w.decays, w.history, w.matrix, w.df, w.raw, w.spare);
    for_operands(w.o, move), for_operands(w.d, move);
    move(w.d.V);
    return w;
  }
  __device__ Reader reader(int r) const {
    Reader f = first;
    const auto by = [r](idx bytes_each) {
      return [offset = r * int(bytes_each)](auto*&... p) {
        ((p = reinterpret_cast<std::remove_reference_t<decltype(p)>>(reinterpret_cast<std::byte*>(p) + offset)), ...);
      };
    };
    move_reader(f, by(reader_bytes), by(gradient_bytes));
    return f;
  }
  /// Value u of timeline row r.
  __device__ R value(int r, int u) const {
    const auto& v = in.template of<need<stream::v, ticks::write, width::value>>();
    return u < v.stride ? v.p[(traits_::structure.writes_each ? r : r / traits_::micro) * int(v.stride) + u] : R(0);
  }

 private:
  void lay_reader(memory& a, const frame_shape& shape, const extents& e) {
    lay(a, first.in, shape);
    first.Q = a.take<R>(idx(rows) * ln), first.dQ = a.take<R>(idx(rows) * ln), first.dY = a.take<R>(idx(tokens) * ln);
    first.Y = a.take<R>(numerators ? idx(tokens) * ln : 0), first.p = a.take<R>(tokens);
    first.raw = a.take<R>(window_rows<M, R, X, reader_frame_of<M, R, X>>::whole_vectors ? idx(tokens) * e.n : 0);
  }
  /// The states within a window are done with when gradients of streams are made, unless these stay for another head or are made before.
  void lay_gradients(memory& a, const frame_shape& shape, bool alone) {
    const idx own = states ? (idx(rows) + 1) / 2 * Tile::numbers : 0, square = idx(N) * ln;
    memory one;
    lay(one, first.gradient, shape);
    gradient_bytes = one.slow_used;
    memory frames{nullptr, nullptr};
    lay(frames, gradient, shape);
    const idx states_bytes = idx(sizeof(R)) * (own > square ? own : square), frame_bytes = frames.slow_used + readers * gradient_bytes;
    const bool shares = alone && !numerators;
    std::byte* const base =
        a.take<std::byte>(shares ? (states_bytes > frame_bytes ? states_bytes : frame_bytes) : states_bytes + frame_bytes);
    history = matrix = reinterpret_cast<R*>(base);
    memory here{nullptr, base + (shares ? 0 : states_bytes)};
    lay(here, gradient, shape), lay(here, first.gradient, shape);
  }
  template <class Move, class... Need>
  __device__ static void each_pointer(frame<M, R, list<Need...>>& f, const Move& move) {
    move(f.template of<Need>().p...);
  }
  template <class Move, class MoveGradient>
  __device__ static void move_reader(Reader& f, const Move& move, const MoveGradient& move_gradient) {
    each_pointer(f.in, move), each_pointer(f.gradient, move_gradient);
    move(f.Q, f.dQ, f.dY, f.Y, f.p, f.raw);
  }
  template <class Move>
  __device__ static void for_operands(O& o, const Move& move) {
    move(o.K, o.b, o.m, o.shift, o.lift);
    if constexpr (O::corrects) move(o.row, o.s);
    if constexpr (untied) move(o.col);
    if constexpr (O::has_decays) move(o.g);
    if constexpr (O::before) move(o.bonus);
    if constexpr (traits_::stabilised && O::before) move(o.read_scale, o.bonus_scale);
  }
  template <class P>
  __device__ static P* placed(P* p) {  // through an integer: a pointer of a kernel's argument counts as one to global memory
    extern __shared__ __align__(16) std::byte fast[];
    return reinterpret_cast<P*>(fast + (int(reinterpret_cast<std::size_t>(p)) - int(origin)));
  }
};

}  // namespace coefdyn::cuda::small
