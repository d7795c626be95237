// SPDX-License-Identifier: MIT
#pragma once
#include "../../cpu/stages/head.hpp"
#include "team.cuh"

/// Streams of one head over some tokens in a block's memory, as cpu/stages/frame.hpp has them; loaded and given back by a team.
namespace coefdyn::cuda::generic {

using cpu::frame;
using cpu::frame_shape;
using cpu::head_index;
using cpu::head_place;
using cpu::value_width;

template <class M, class R, class X>
using state_frame_of = cpu::state_frame<M, R, X::over>;
template <class M, class R, class X>
using reader_frame_of = cpu::reader_frame<M, R, X::over>;

template <class M, class R, class... Need>
COEFDYN_HD void lay(memory& a, frame<M, R, list<Need...>>& f, const frame_shape& s) {
  using F = frame<M, R, list<Need...>>;
  f.shape = s;
  (
      [&] {
        auto& b = f.template of<Need>();
        b.stride = Need::inner == width::value ? s.e : inner_size<Need>(s.n, s.d, F::micro);
        b.p = a.template take<element_of<Need, R>>(F::template rows<Need>(s.tokens) * b.stride);
      }(),
      ...);
}

/// Reads tokens [t + from, t + tokens) of one head into rows `from`.. of a frame that starts at t. `raw`: tokens * writes * n numbers where
/// the feature map is of whole vectors.
template <class M, class R, class X, class... Need>
__device__ __noinline__ void gather(const X& x, const extents& e, const sequence& s, const head_index& h, idx t, int from, int tokens,
                                    const frame<M, R, list<Need...>>& f, R* raw) {
  using F = frame<M, R, list<Need...>>;
  using Psi = typename M::feature_map;
  (
      [&] {
        using E = element_of<Need, R>;
        constexpr bool featured = traits<M>::has_feature && cpu::is_featured<Need> && std::is_same_v<E, R>;
        constexpr int inner_rank = Need::inner_rank;
        const auto v = x.template of<Need>();
        const auto b = f.template of<Need>();
        idx size[2] = {};
        inner_extents<Need>(e.n, e.d, F::micro, size);
        const int given = int(size[0] * size[1]), across = int(size[1]), stride = int(b.stride);
        const int begin = Need::timed ? int(F::template rows<Need>(from)) : 0, rows = int(F::template rows<Need>(tokens)) - begin;
        const int head = cpu::head_of<Need>(h, e);
        const idx first = cpu::first_row<Need>(s, e, t, F::writes);
        const auto load = [&](int r, int i) {
          idx inner[2];
          const auto* p = cpu::row_pointer<Need>(v, s.batch, first + begin + r, head, inner);
          if constexpr (inner_rank == 2) {
            return cpu::converted<E>(p[idx(i / across) * inner[0] + idx(i % across) * inner[1]]);
          } else {
            return cpu::converted<E>(p[i * inner[0]]);
          }
        };
        if constexpr (featured && !maps_channels<Psi>) {
          each2(rows, given, [&](int r, int i) { raw[r * given + i] = load(r, i); });
          each_unsynced(rows,
                        [&](int r) { Psi::apply(static_cast<const R*>(raw + idx(r) * given), b.p + idx(begin + r) * stride, given); });
        } else if constexpr (inner_rank == 0) {
          each_unsynced(rows, [&](int r) { b.p[begin + r] = load(r, 0); });
        } else {
          each2_unsynced(rows, stride, [&](int r, int i) {
            E value(R(1));  // beyond the values, the normalizer's column of ones
            if (i < given) value = load(r, i);
            if constexpr (featured) {
              value = Psi::apply(value);
            }
            b.p[idx(begin + r) * stride + i] = value;
          });
        }
      }(),
      ...);
  __syncthreads();
}

/// The value column that column u of a slice stands for; with a sum the last of a slice is the normalizer's.
struct slice {
  int first = 0, count = 0, d = 0, width = 0;  // width: count, + 1 with a sum
  COEFDYN_HD int column(int u) const { return u < count ? first + u : d; }
};
template <class M>
COEFDYN_HD slice slice_at(int d, int index, int length) {
  slice s{index * length, 0, d, 0};
  s.count = d - s.first < length ? d - s.first : length;
  s.width = s.count + (traits<M>::needs_sum ? 1 : 0);
  return s;
}
/// Slices of d columns; a mixer without columns of values still has one, for its state's sum.
COEFDYN_HD constexpr int slices_of(int d, int length) { return d > length ? (d + length - 1) / length : 1; }

/// The caller's initial state, or zeros, into S (n lowered or complex, stride).
template <class M, class C, class E>
__device__ __noinline__ void load_state(const C& initial, idx sequence, int h, int n, const slice& s, int stride, E* S) {
  clear(S, (is_complex<E> ? n : traits<M>::lowered(n)) * stride);
  if (!initial.S.data) return;
  each2(n, s.width, [&](int c, int u) {
    if (u < s.count) cpu::state_in(S, stride, n, c, u, initial.S(sequence, h, c, s.first + u));
    else if constexpr (traits<M>::needs_sum) cpu::state_in(S, stride, n, c, u, initial.z(sequence, h, c));
  });
}
/// Column u of a state (n, stride) to the caller's; the last slice's extra column is z, given by the first slice.
template <class M, class V, class E>
__device__ void store_column(const V& out, idx at, int h, int n, const slice& s, int u, int stride, const E* S) {
  using Stored = std::remove_cvref_t<decltype(out.S(0, 0, 0, 0))>;
  for (int c = 0; c < n; ++c) {
    if (u < s.count) out.S(at, h, c, s.first + u) = cpu::state_out<Stored>(S, stride, n, c, u);
    else if constexpr (traits<M>::needs_sum)
      if (s.first == 0) out.z(at, h, c) = cpu::state_out<Stored>(S, stride, n, c, u);
  }
}
/// What one thread writes beside S and z.
template <class M, class V, class R>
__device__ void store_marks(const V& out, idx at, int h, R m, idx position) {
  if constexpr (traits<M>::stabilised) out.m(at, h) = math::converted_maximum<std::remove_cvref_t<decltype(out.m(0, 0))>>(m);
  if (out.position.data && h == 0) out.position(at) = position;
}

/// y of one element from its numerator; a row whose weights are all exactly zero gives 0.
template <class M, class R, class At, class Y>
__device__ void finish_element(R numerator, R sum, R m, const At& at, const Y& y, idx batch, idx row, int reader, int v) {
  using Stored = std::remove_cvref_t<decltype(y(0, 0, 0, 0))>;
  const bool empty = traits<M>::needs_sum && sum == R(0) && numerator == R(0);
  y(batch, row, reader, v) = cpu::converted<Stored>(empty ? R(0) : inverse_eta<typename M::normalization>(sum, m, at) * numerator);
}

/// m before the first token; an empty initial state has none.
template <class M, class R, class V>
__device__ R initial_maximum_of(const V& initial, idx sequence, int h) {
  if constexpr (!traits<M>::stabilised) return R(0);
  else if (!initial.S.data) return empty_maximum<M, R>();
  else return initial.m.data ? math::converted_maximum<R>(initial.m(sequence, h)) : R(0);
}

/// Sequence and state head of an item.
template <class X>
__device__ head_place head_at(const X& x, const extents& e, idx item) {
  head_place head;
  head.index = item / e.states, head.s = sequence_at(x, e, head.index), head.state = int(item % e.states);
  head.readers = cpu::readers_per_state(e), head.first_reader = head.state * head.readers;
  return head;
}

/// A carry whose tables are on the device.
template <class M, class Types>
struct carry_view {
  const_state<M, Types> initial;
  mutable_state<M, Types> final, captured;
  const idx* positions = nullptr;
  int captures = 0;
};

/// Positions of the states that enter; without a state none count.
template <class V>
view<const idx, 1> positions_of(const V& initial) {
  return initial.S.data ? view<const idx, 1>(initial.position) : view<const idx, 1>{};
}
/// Positions of the states that leave: tokens seen so far. They may lie where they came in.
template <class X>
__global__ void count_kernel(const __grid_constant__ X x, const __grid_constant__ extents e, view<const idx, 1> start, view<idx, 1> out) {
  for (idx i = idx(blockIdx.x) * blockDim.x + threadIdx.x; i < e.sequences; i += idx(gridDim.x) * blockDim.x) {
    const sequence s = sequence_at(x, e, i);
    out(i) = (start.data ? start(i) : 0) + s.end - s.begin;
  }
}
template <class X, class Carry>
void count_tokens(cudaStream_t stream, const X& x, const extents& e, const Carry& c) {
  if (c.final.position.data)
    launch(stream, count_kernel<X>, "count_kernel", (e.sequences + 255) / 256, 256, 0, x, e, positions_of(c.initial), c.final.position);
}
/// Calls f with the carry without the positions that leave, and gives those when all heads have read the ones that entered.
template <class X, class Carry, class F>
void with_positions_apart(cudaStream_t stream, const X& x, const extents& e, const Carry& c, F f) {
  Carry own = c;
  own.final.position = {};
  f(own);
  count_tokens(stream, x, e, c);
}

}  // namespace coefdyn::cuda::generic
