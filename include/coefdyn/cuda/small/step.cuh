// SPDX-License-Identifier: MIT
// Above 300 lines: one kernel whose steps share its block's memory and registers, from the caller's strides to the caller's state.
#pragma once
#include <cuda_pipeline_primitives.h>

#include "../engine/lower.cuh"
#include "../engine/plan.cuh"
#include "../kernels.hpp"

/// A few tokens of a linear mixer in float: the state crosses memory once each way. A block has a sequence, a state head and a slice of
/// value columns. The state is on its way into shared memory while the tokens are lowered, is in registers while they pass:
///
///   w = row' S,   S <- e^g S + K (b v)' + s col w',   y = Q' S      for each row of the timeline of micro-steps
///
/// and goes back from there. row sees S before or after e^g, as the structure says; sums over channels have a fixed order.
namespace coefdyn::cuda::generic {

/// How a block holds the lowered state: thread (group, lane) has `rows` channels of four columns.
template <int Groups, int Rows, int Lanes, int Blocks>
struct step_tile {
  static constexpr int groups = Groups, rows = Rows, lanes = Lanes;
  static constexpr int blocks = Blocks;  // that share a multiprocessor's registers
  static constexpr int threads = groups * lanes, channels = groups * rows, columns = 4 * lanes;
};
/// Most tokens of a call, and the largest n (lowered) and d.
constexpr idx longest_step = 8;
constexpr int widest_step = 256;

/// Calls f with the tile for a size.
template <class M, class F>
decltype(auto) with_step_tile(const extents& e, F f) {
  const int n = traits<M>::lowered(e.n);
  if (n > 128) return f(step_tile<16, 16, 16, 2>{});
  if (e.d > 64) return f(step_tile<8, 16, 32, 2>{});
  if (n > 64) return f(step_tile<8, 16, 16, 4>{});
  return f(step_tile<8, 8, 16, 5>{});
}

/// The streams of one head's frame, tokens [t + from, t + tokens), as `gather` reads them; element by element, so that all streams of a
/// block are under way at once.
template <class M, class R, class X, class Frame>
struct frame_source;
template <class M, class R, class X, class... All>
struct frame_source<M, R, X, frame<M, R, list<All...>>> {
  using F = frame<M, R, list<All...>>;
  using Psi = typename M::feature_map;
  const X& x;
  const extents& e;
  const sequence& s;
  head_index h;
  idx t;
  int from, tokens;
  F f;

  template <class Need>
  __device__ int begin() const {
    return Need::timed ? int(F::template rows<Need>(from)) : 0;
  }
  template <class Need>
  __device__ int size() const {
    return (int(F::template rows<Need>(tokens)) - begin<Need>()) * int(f.template of<Need>().stride);
  }
  __device__ int largest() const {
    int most = 0;
    ((most = math::max(most, size<All>())), ...);
    return most;
  }
  /// Element k of every stream: all are asked for, then `then` is called, then they are kept.
  template <class Then>
  __device__ __forceinline__ void fetch(int k, const Then& then) const {
    fetch(k, then, list<All...>{});
  }

 private:
  template <class Then>
  __device__ __forceinline__ void fetch(int, const Then& then, list<>) const {
    then();
  }
  template <class Then, class Need, class... Rest>
  __device__ __forceinline__ void fetch(int k, const Then& then, list<Need, Rest...>) const {
    using E = element_of<Need, R>;
    const auto b = f.template of<Need>();
    const unsigned stride = unsigned(b.stride), r = unsigned(k) < stride ? 0 : unsigned(k) / stride, i = unsigned(k) - r * stride;
    const bool mine = k < size<Need>();
    idx extent[2] = {};
    inner_extents<Need>(e.n, e.d, F::micro, extent);
    const bool given = mine && i < unsigned(extent[0] * extent[1]);  // beyond the values, the normalizer's column of ones
    E value(R(1));
    if (given) {
      const unsigned across = unsigned(extent[1]);
      idx inner[2];
      const auto* p = cpu::row_pointer<Need>(x.template of<Need>(), s.batch, cpu::first_row<Need>(s, e, t, F::writes) + begin<Need>() + r,
                                             cpu::head_of<Need>(h, e), inner);
      if constexpr (Need::inner_rank == 2) {
        value = cpu::converted<E>(p[idx(i / across) * inner[0] + idx(i % across) * inner[1]]);
      } else {
        value = cpu::converted<E>(p[idx(i) * inner[0]]);
      }
    }
    fetch(k, then, list<Rest...>{});
    if constexpr (traits<M>::has_feature && cpu::is_featured<Need> && std::is_same_v<E, R>) {
      if (given) value = Psi::apply(value);
    }
    if (mine) b.p[unsigned(begin<Need>()) * stride + unsigned(k)] = value;
  }
};

/// A block's shared memory: everything fits, or step_fits refuses. Laid out on the host over `origin`; `here` moves it to the memory.
template <class M, class R, class X, class Tile>
struct step_block {
  using T = traits<M>;
  using O = operands<M, R>;
  static constexpr int sums = T::needs_sum ? 1 : 0, width = Tile::columns + 4 * sums;  // of a row of columns, the sum's behind
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
    o = O(a, window, Tile::channels / T::lowered(1), value_width<M>(e.d), false);
    o.n = T::lowered(e.n);  // rows stay as wide as the tile, zero behind n
    Q = a.take<R>(idx(readers) * o.rows * o.ln), p = a.take<R>(idx(readers) * window);
    numerator = a.take<R>(idx(window) * readers * width);
    raw = a.take<R>(T::has_feature ? idx(window) * T::writes * e.n : 0);
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
    if constexpr (O::has_gates) move(w.o.g);
    if constexpr (O::before) move(w.o.bonus);
    if constexpr (O::turns) move(w.o.co, w.o.si, w.o.whole);
    if constexpr (T::stabilised && O::before) move(w.o.read_scale, w.o.bonus_scale);
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
  __device__ R* queries(int r) const { return Q + r * window * T::micro * o.ln; }

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
/// Whether the step kernel serves a call: by its sizes alone. What all columns share has one owner, so that it can be written where it
/// was read: a mixer with z or m needs one slice.
template <class M, class R, class X>
bool step_fits(const extents& e, idx longest) {
  if (longest > longest_step || traits<M>::lowered(e.n) > widest_step || e.d > widest_step || e.n < 1 || e.d < 1) return false;
  return with_step_tile<M>(e, [&](auto tile) {
    using Tile = decltype(tile);
    const bool shared = traits<M>::needs_sum || traits<M>::stabilised;
    return (!shared || e.d <= Tile::columns) && step_window<M, R, X, Tile>(e, longest) > 0;
  });
}

/// One head's part of a caller's state, in the tile's channels and columns.
template <class M, class V>
struct step_state {
  using Stored = std::remove_cvref_t<decltype(std::declval<V>().S(0, 0, 0, 0))>;
  using Pointer = decltype(std::declval<V>().S.data);
  template <class E>
  struct part_of {
    using type = E;
  };
  template <class E>
  struct part_of<complex<E>> {
    using type = E;
  };
  using Plain = typename part_of<Stored>::type;
  using Part = std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const Plain, Plain>;
  static constexpr int parts = is_complex<Stored> ? 2 : 1;
  Part *S = nullptr, *z = nullptr;
  idx channel = 0, column = 0, z_channel = 0;
  int n = 0, lowered = 0, count = 0;
  bool vectors = false;  // four columns are one aligned access

  __device__ step_state(const V& v, idx at, int h, int n_, const slice& s) : n(n_), lowered(traits<M>::lowered(n_)), count(s.count) {
    S = reinterpret_cast<Part*>(v.S.data + at * v.S.strides[0] + h * v.S.strides[1] + s.first * v.S.strides[3]);
    channel = v.S.strides[2] * parts, column = v.S.strides[3] * parts;
    if constexpr (traits<M>::needs_sum) {
      z = reinterpret_cast<Part*>(v.z.data + at * v.z.strides[0] + h * v.z.strides[1]);
      z_channel = v.z.strides[2] * parts;
    }
    vectors =
        std::is_same_v<Stored, float> && column == 1 && channel % 4 == 0 && count % 4 == 0 && reinterpret_cast<std::size_t>(S) % 16 == 0;
  }
  /// Channels from `first` that a thread's vectors have; 0 beyond the columns.
  __device__ int rows_of(int first, int lane) const { return lane * 4 < count ? lowered - first : 0; }
  /// Channel c of the lowered state, [Re; Im].
  __device__ Part* row(int c) const { return c < n ? S + c * channel : S + (c - n) * channel + 1; }
  __device__ Part* sum(int c) const { return c < n ? z + c * z_channel : z + (c - n) * z_channel + 1; }
};

/// The thread's own elements of the caller's state into the block's; float on its way while the thread goes on.
template <class M, class Tile, class V>
__device__ __forceinline__ void land_state(const V& initial, idx at, int h, int n, const slice& s, float* S, int width) {
  const int group = int(threadIdx.x) / Tile::lanes, lane = int(threadIdx.x) % Tile::lanes;
  using View = step_state<M, V>;
  const bool some = initial.S.data != nullptr;
  const View from(initial, at, h, n, s);
  const auto put = [&](float* to, const auto* element, bool given) {
    if constexpr (std::is_same_v<typename View::Plain, float>) {
      if (given) __pipeline_memcpy_async(to, element, 4);
      else *to = 0.f;
    } else {
      *to = given ? cpu::converted<float>(*element) : 0.f;
    }
  };
  if (from.vectors && some) {
    const int given = from.rows_of(group * Tile::rows, lane);
    const auto* element = from.S + group * Tile::rows * from.channel + lane * 4;
    float* to = S + group * Tile::rows * width + lane * 4;
    if (given >= Tile::rows) {
#pragma unroll
      for (int j = 0; j < Tile::rows; ++j, element += from.channel) __pipeline_memcpy_async(to + j * width, element, 16);
    } else {
#pragma unroll 1
      for (int j = 0; j < Tile::rows; ++j, element += from.channel) {
        if (j < given) __pipeline_memcpy_async(to + j * width, element, 16);
        else *reinterpret_cast<float4*>(to + j * width) = make_float4(0, 0, 0, 0);
      }
    }
  } else {
    constexpr bool copies = std::is_same_v<typename View::Plain, float>;
    constexpr int batch = 8;  // loads under way together where a copy cannot go on its own
#pragma unroll 1
    for (int k0 = 0; k0 < Tile::rows * 4; k0 += batch) {
      const auto at_element = [&](int k, auto f) {
        const int c = group * Tile::rows + (k0 + k) / 4, v = lane * 4 + k % 4;
        f(S + c * width + v, from.row(c) + v * from.column, some && c < from.lowered && v < from.count);
      };
      float value[batch];
#pragma unroll
      for (int k = 0; k < batch; ++k)
        at_element(k, [&](float* to, const auto* element, bool given) {
          if constexpr (copies) {
            put(to, element, given);
          } else {
            value[k] = given ? cpu::converted<float>(*element) : 0.f;
          }
        });
#pragma unroll
      for (int k = 0; k < batch && !copies; ++k) at_element(k, [&](float* to, const auto*, bool) { *to = value[k]; });
    }
  }
  if constexpr (traits<M>::needs_sum) {
    if (lane == 0)
#pragma unroll 1
      for (int c = group * Tile::rows; c < (group + 1) * Tile::rows; ++c)
        put(S + c * width + Tile::columns, from.sum(c), some && c < from.lowered);
  }
  __pipeline_commit();
}

/// Brings the state (for t = 0) and tokens [t, t + count) of a head into the block's memory, lowered, with e^g for g; returns the last
/// maximum. Nothing of the state is in registers yet, so that the calls in here spill none of it.
template <class M, class R, class X, class Carry, class Tile>
__device__ __forceinline__ R step_prepare(const X& x, const extents& e, const Carry& carry, const step_block<M, R, X, Tile>& there, head hd,
                                          slice s, idx start, idx t, int from, int count, R m) {
  using T = traits<M>;
  using O = operands<M, R>;
  using Block = step_block<M, R, X, Tile>;
  const Block w = there.here();
  const auto land = [&] {
    if (t == 0) land_state<M, Tile>(carry.initial, hd.index, hd.state, e.n, s, w.S, Block::width);
  };
  if constexpr (T::has_feature && !maps_channels<typename M::feature_map>) {
    land();
    gather<M>(x, e, hd.s, hd.at(0), t, 0, count, w.in, w.raw);
    for (int r = 0; r < w.readers && from < count; ++r) {
      auto reads = w.reader(r);
      gather<M>(x, e, hd.s, hd.at(r), t, from, count, reads, w.raw);
    }
  } else {
    const auto reader = [&](int r) {
      return frame_source<M, R, X, reader_frame_of<M, R, X>>{x, e, hd.s, hd.at(r), t, from, count, w.reader(r)};
    };
    const frame_source<M, R, X, state_frame_of<M, R, X>> writer{x, e, hd.s, hd.at(0), t, 0, count, w.in};
    const auto first = reader(0);
    const int all = math::max(writer.largest(), first.largest());
    int k0 = 0;
    do {
      const int k = k0 + int(threadIdx.x);
      writer.fetch(k, [&] {
        first.fetch(k, [&] {
          if (k0 == 0) land();
        });
      });
      k0 += Tile::threads;
    } while (k0 < all);
    for (int r = 1; r < w.readers; ++r) {
      const auto other = reader(r);
      each_unsynced(other.largest(), [&](int k) { other.fetch(k, [] {}); });
    }
    __syncthreads();
  }
  if (count > 0) {
    O o = w.o;
    o.tokens = count, o.rows = count * T::micro;
    m = lower_inline<M>(w.in, start + t, m, o);
    if constexpr (O::has_gates)
      each2(o.rows, O::channel ? o.n : 1, [&](int r, int c) {
        R& g = o.g[r * o.gate_width() + c];
        g = math::exp(g);
      });
    for (int r = 0; r < w.readers; ++r) lower_reads_inline<M>(w.reader(r), o, from, w.queries(r), w.p + r * w.window);
  }
  return m;
}

template <class M, class R, class X, class Y, class Carry, class Tile>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
    step_kernel(const __grid_constant__ X x, const __grid_constant__ extents e, const __grid_constant__ step_block<M, R, X, Tile> there,
                const __grid_constant__ Y y, const __grid_constant__ Carry carry, int items) {
  using T = traits<M>;
  using Block = step_block<M, R, X, Tile>;
  using O = operands<M, R>;
  constexpr int rows = Tile::rows, W = 4 + Block::sums, width = Block::width;
  const unsigned slices = unsigned(slices_of(e.d, Tile::columns)), heads = unsigned(e.states);
  if (there.o.n < Tile::channels) {  // operands behind n: zero, once and for all
    const Block w = there.here();
    w.o.clear();
    clear(w.Q, w.readers * w.o.rows * w.o.ln);
  }
  each_item(items, [&](idx item) {
    const unsigned at = slices > 1 ? unsigned(item) / slices : unsigned(item), index = at / heads;
    const slice s = slice_at<M>(e.d, int(unsigned(item) - at * slices), Tile::columns);
    head hd;
    hd.index = index, hd.s = sequence_at(x, e, hd.index), hd.state = int(at - index * heads);
    hd.readers = there.readers, hd.first_reader = hd.state * there.readers;
    const idx tokens = hd.tokens(), start = carry.initial.S.data && carry.initial.position.data ? carry.initial.position(hd.index) : 0;
    R m = initial_maximum_of<M, R>(carry.initial, hd.index, hd.state);
    int next = 0;
    idx t0 = 0;
    do {  // once also for no tokens: the state passes
      const idx left = tokens - t0, most = carry.captures > 0 ? 1 : there.window;
      const int count = int(left < most ? left : most);
      const int from = int(e.first_read - t0 <= 0 ? 0 : e.first_read - t0 < count ? e.first_read - t0 : count);
      const R last = m;
      m = step_prepare<M, R, X, Carry, Tile>(x, e, carry, there, hd, s, start, t0, from, count, m);
      const Block w = there.here();
      const O& o = w.o;
      R *const tile = w.S, *const part = w.part;
      const int group = int(threadIdx.x) / Tile::lanes, lane = int(threadIdx.x) % Tile::lanes, first = group * rows;
      R S[rows][W];
      bool odd = false;  // which half of `part` the next sum takes

      const auto from_tile = [&] {
#pragma unroll
        for (int j = 0; j < rows; ++j) {
          const float4 four = *reinterpret_cast<const float4*>(tile + (first + j) * width + lane * 4);
          S[j][0] = four.x, S[j][1] = four.y, S[j][2] = four.z, S[j][3] = four.w;
          if constexpr (T::needs_sum) S[j][4] = tile[(first + j) * width + Tile::columns];
        }
      };
      const auto to_tile = [&] {
#pragma unroll
        for (int j = 0; j < rows; ++j) {
          *reinterpret_cast<float4*>(tile + (first + j) * width + lane * 4) = make_float4(S[j][0], S[j][1], S[j][2], S[j][3]);
          if constexpr (T::needs_sum) {
            if (lane == 0) tile[(first + j) * width + Tile::columns] = S[j][4];
          }
        }
      };
      const auto store = [&](const auto& out, idx at, R maximum, idx position) {
        using View = step_state<M, std::remove_cvref_t<decltype(out)>>;
        using Plain = typename View::Plain;
        const View to(out, at, hd.state, e.n, s);
        if (to.vectors) {
          const int given = to.rows_of(first, lane);
          auto* element = to.S + first * to.channel + lane * 4;
#pragma unroll
          for (int j = 0; j < rows; ++j, element += to.channel)
            if (j < given) *reinterpret_cast<float4*>(element) = make_float4(S[j][0], S[j][1], S[j][2], S[j][3]);
        } else {
          to_tile();  // and the thread's own elements from there
#pragma unroll 1
          for (int k = 0; k < rows * 4; ++k) {
            const int c = first + k / 4, v = lane * 4 + k % 4;
            if (c < to.lowered && v < to.count) to.row(c)[v * to.column] = cpu::converted<Plain>(tile[c * width + v]);
          }
        }
        if constexpr (T::needs_sum) {
          if (lane == 0) {
#pragma unroll
            for (int j = 0; j < rows; ++j)
              if (first + j < to.lowered) *to.sum(first + j) = cpu::converted<Plain>(S[j][4]);
          }
        }
        if (threadIdx.x == 0 && s.first == 0) store_marks<M>(out, at, hd.state, maximum, position);
      };
      const auto capture = [&](idx seen, R maximum) {
        for (; next < carry.captures && (carry.positions[next] <= seen || seen == tokens); ++next)
          store(carry.captured, idx(next) * e.sequences + hd.index, maximum, start + seen);
      };

      // each(S[c], f[c]) for this thread's channels
      const auto each_channel = [&](const R* f, auto each) {
#pragma unroll
        for (int j = 0; j < rows; j += 4) {
          const float4 four = *reinterpret_cast<const float4*>(f + first + j);
          const R k[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
          for (int q = 0; q < 4; ++q) each(S[j + q], k[q]);
        }
      };
      // w[u] = sum over all channels of f[c] S[c][u]
      const auto contracted = [&](const R* f, R(&sum)[W]) {
#pragma unroll
        for (int u = 0; u < W; ++u) sum[u] = R(0);
        each_channel(f, [&](const R(&row)[W], R k) {
#pragma unroll
          for (int u = 0; u < W; ++u) sum[u] += k * row[u];
        });
        R* at = part + (odd ? Tile::groups * width : 0);
        odd = !odd;
        *reinterpret_cast<float4*>(at + group * width + lane * 4) = make_float4(sum[0], sum[1], sum[2], sum[3]);
        if constexpr (T::needs_sum) {
          if (lane == 0) at[group * width + Tile::columns] = sum[4];
        }
        __syncthreads();
#pragma unroll
        for (int u = 0; u < W; ++u) sum[u] = R(0);
#pragma unroll
        for (int g = 0; g < Tile::groups; ++g) {
          const float4 four = *reinterpret_cast<const float4*>(at + g * width + lane * 4);
          sum[0] += four.x, sum[1] += four.y, sum[2] += four.z, sum[3] += four.w;
          if constexpr (T::needs_sum) sum[4] += at[g * width + Tile::columns];
        }
      };
      // S[c][u] += f[c] x[u]
      const auto add = [&](const R* f, const R(&x4)[W]) {
        each_channel(f, [&](R(&row)[W], R k) {
#pragma unroll
          for (int u = 0; u < W; ++u) row[u] += k * x4[u];
        });
      };
      const auto decay = [&](const R* f) {
#pragma unroll
        for (int j = 0; j < rows; j += 4) {
          float4 four;
          if constexpr (O::channel) four = *reinterpret_cast<const float4*>(f + first + j);
          else four = make_float4(*f, *f, *f, *f);
          const R k[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
          for (int q = 0; q < 4; ++q)
#pragma unroll
            for (int u = 0; u < W; ++u) S[j + q][u] = k[q] * S[j + q][u];
        }
      };
      // this thread's values of a write, times f
      const auto values = [&](int i, int l, R f, R(&out)[W]) {
        const R* v = w.in.template where<need<stream::v, ticks::write, width::value>>(i, l) + s.first + lane * 4;
#pragma unroll
        for (int u = 0; u < 4; ++u) out[u] = lane * 4 + u < s.count ? f * v[u] : R(0);
        if constexpr (T::needs_sum) out[4] = f;
      };
      const auto read = [&](int i) {
        if (i < from) return;
        for (int r = 0; r < w.readers; ++r) {
          R sum[W];
          contracted(w.queries(r) + cpu::read_row<M>(i) * o.ln, sum);
          if constexpr (O::before) {
            R own[W];
            values(i, T::micro - 1, w.p[r * w.window + i] * o.b[(i + 1) * T::micro - 1], own);
#pragma unroll
            for (int u = 0; u < W; ++u) sum[u] += own[u];
          }
          if (group == 0) {
            R* out = w.numerator + (i * w.readers + r) * width;
            *reinterpret_cast<float4*>(out + lane * 4) = make_float4(sum[0], sum[1], sum[2], sum[3]);
            if constexpr (T::needs_sum) {
              if (lane == 0) out[Tile::columns] = sum[4];
            }
          }
        }
      };

      if (t0 == 0) __pipeline_wait_prior(0);
      __syncthreads();
      from_tile();
      if (t0 == 0) capture(0, last);
      for (int i = 0; i < count; ++i) {
        if constexpr (O::before) read(i);
#pragma unroll
        for (int l = 0; l < T::micro; ++l) {
          constexpr bool undecayed = O::corrects && T::structure.row_sees == sees::undecayed;
          const int r = i * T::micro + l;
          R corrected[W], written[W];
          if constexpr (undecayed) contracted(o.row + r * o.ln, corrected);
          if constexpr (O::has_gates) {
            if (l == 0) decay(o.g + r * o.gate_width());
          }
          if constexpr (O::corrects && !undecayed) contracted(o.row + r * o.ln, corrected);
          const bool writes = T::structure.writes_each || l == T::micro - 1;
          if (writes) values(i, l, o.b[r], written);
          if constexpr (O::corrects) {
            const R strength = o.s[r];
#pragma unroll
            for (int u = 0; u < W; ++u) corrected[u] = strength * corrected[u] + (O::tied && writes ? written[u] : R(0));
            add(o.columns() + r * o.ln, corrected);
          }
          if (writes && !(O::corrects && O::tied)) add(o.K + r * o.ln, written);
        }
        if constexpr (!O::before) read(i);
      }
      if constexpr (O::turns) {  // out of the frame of turning of the window's start
        if (count > 0) {
          to_tile();
          __syncthreads();
          each2(o.n / 2, s.count + Block::sums, [&](int q, int u) {
            const int v = u < s.count ? u : Tile::columns;
            const channel_pair i = pair_of(O::pairs, q, o.n);
            o.turn_whole(q, +1, tile[i.x * width + v], tile[i.y * width + v]);
          });
          from_tile();
        }
      }
      t0 += count;
      if (count > 0) capture(t0, m);
      if (t0 < tokens) to_tile();
      else if (carry.final.S.data) store(carry.final, hd.index, m, start + tokens);
      __syncthreads();
      for (int i = from; i < count; ++i)
        for (int r = 0; r < w.readers; ++r) {
          const R* row = w.numerator + (i * w.readers + r) * width;
          each_unsynced(s.count, [&](int v) {
            finish_element<M>(row[v], T::needs_sum ? row[Tile::columns] : R(0), o.m[i], w.reader(r).at(i, 0, start + t0 - count + i), y,
                              hd.s.batch, hd.s.begin + t0 - count + i - e.first_read, hd.first_reader + r, s.first + v);
          });
        }
      __syncthreads();
    } while (t0 < tokens);
  });
}

template <class M, class R, class X>
struct step_plan : engine_plan<X> {
  static constexpr bool exists = has_step<M> && std::is_same_v<R, float>;
  using engine_plan<X>::e;
  int window = 0;
  template <class Form>
  step_plan(Form, const X&, const extents& e_, idx longest_) : engine_plan<X>(e_, longest_) {
    if (fits()) window = with_step_tile<M>(e, [&](auto tile) { return step_window<M, R, X, decltype(tile)>(e, longest_); });
  }
  std::string name() const { return "step"; }
  bool fits() const { return this->longest > 0 && step_fits<M, R, X>(e, this->longest); }
  idx bytes() const { return 0; }
  template <class Y, class Carry>
  void run(cudaStream_t stream, const X& x, const Y& y, const Carry& c, std::byte*, std::byte*) const {
    with_positions_apart(stream, x, e, c, [&](const Carry& own) {
      with_step_tile<M>(e, [&](auto tile) {
        using Tile = decltype(tile);
        const step_block<M, R, X, Tile> block(e, window);
        const idx items = e.sequences * e.states * slices_of(e.d, Tile::columns);
        launch(stream, step_kernel<M, R, X, Y, Carry, Tile>, "step_kernel", items, Tile::threads, std::size_t(block.bytes), x, e, block, y,
               own, int(items));
      });
    });
  }
};

}  // namespace coefdyn::cuda::generic
