// SPDX-License-Identifier: MIT
#pragma once
#include <cuda_pipeline_primitives.h>

#include "step_state.cuh"

/// What the step kernel brings in: all streams of a window at once, the caller's state beside them.
namespace coefdyn::cuda::small {

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

/// Elements k, k + Step, .. of every stream, `Count` of each on their way together.
template <int Count, int Step, class Source, class Then>
__device__ __forceinline__ void fetch_several(const Source& source, int k, const Then& then) {
  if constexpr (Count == 0) then();
  else source.fetch(k, [&] { fetch_several<Count - 1, Step>(source, k + Step, then); });
}

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
__device__ __forceinline__ R step_prepare(const X& x, const extents& e, const Carry& carry, const step_block<M, R, X, Tile>& there,
                                          head_place head, slice s, idx start, idx t, int from, int count, R m) {
  using traits_ = traits<M>;
  using O = operands<M, R>;
  using Block = step_block<M, R, X, Tile>;
  const Block w = there.here();
  const auto land = [&] {
    if (t == 0) land_state<M, Tile>(carry.initial, head.index, head.state, e.n, s, w.S, Block::width);
  };
  if constexpr (traits_::has_feature && !maps_channels<typename M::feature_map>) {
    land();
    gather<M>(x, e, head.s, head.at(0), t, 0, count, w.in, w.raw);
    for (int r = 0; r < w.readers && from < count; ++r) {
      auto reads = w.reader(r);
      gather<M>(x, e, head.s, head.at(r), t, from, count, reads, w.raw);
    }
  } else {
    const auto reader = [&](int r) {
      return frame_source<M, R, X, reader_frame_of<M, R, X>>{x, e, head.s, head.at(r), t, from, count, w.reader(r)};
    };
    const frame_source<M, R, X, state_frame_of<M, R, X>> writer{x, e, head.s, head.at(0), t, 0, count, w.in};
    const auto first = reader(0);
    const int all = math::max(writer.largest(), first.largest());
    int k0 = 0;
    do {
      const int k = k0 + int(threadIdx.x);
      fetch_several<Tile::loads, Tile::threads>(writer, k, [&] {
        fetch_several<Tile::loads, Tile::threads>(first, k, [&] {
          if (k0 == 0) land();
        });
      });
      k0 += Tile::loads * Tile::threads;
    } while (k0 < all);
    for (int r = 1; r < w.readers; ++r) {
      const auto other = reader(r);
      each_unsynced(other.largest(), [&](int k) { other.fetch(k, [] {}); });
    }
    __syncthreads();
  }
  if (count > 0) {
    O o = w.o;
    o.tokens = count, o.rows = count * traits_::micro;
    m = lower_inline<M>(w.in, start + t, m, o);
    if constexpr (O::has_decays)
      each2(o.rows, O::channel ? o.n : 1, [&](int r, int c) {
        R& g = o.g[r * o.decay_width() + c];
        g = math::exp(g);
      });
    for (int r = 0; r < w.readers; ++r) lower_reads_inline<M>(w.reader(r), o, from, w.queries(r), w.p + r * w.window);
  }
  return m;
}

}  // namespace coefdyn::cuda::small
