// SPDX-License-Identifier: MIT
#pragma once
#include "../../cpu/stages/gradient_frames.hpp"
#include "frame.cuh"

/// Where a backward pass of a block collects, and how it reaches the caller: gradients of a group of heads over a whole
/// sequence in the workspace, added to the caller's tensors once, in a fixed order. Constant streams leave through slots, one
/// for each sequence and head, which a last kernel sums in order.
namespace coefdyn::cuda::generic {

template <class M, class R, class X>
struct gradient_frames {
  state_frame_of<M, R, X> state;
  frame_shape shape;
  std::byte* reader_memory = nullptr;
  idx reader_bytes = 0;
  int count = 0;

  gradient_frames() = default;
  COEFDYN_HD gradient_frames(memory& a, const extents& e, idx tokens)
      : shape{e.n, e.d, value_width<M>(e.d), tokens}, count(cpu::readers_per_state(e)) {
    memory slow{nullptr, a.slow, 0, 0, a.slow_used};
    lay(slow, state, shape);
    memory one;
    reader_frame_of<M, R, X> f;
    lay(one, f, shape);
    reader_bytes = one.slow_used;
    reader_memory = slow.template take<std::byte>(reader_bytes * count);
    a.slow_used = slow.slow_used;
  }
  COEFDYN_HD reader_frame_of<M, R, X> reader(int r) const {
    reader_frame_of<M, R, X> f;
    memory at{nullptr, reader_memory + r * reader_bytes};
    lay(at, f, shape);
    return f;
  }
  __device__ void clear(bool keep_shared, idx tokens) const {
    clear_frame(state, keep_shared, tokens);
    for (int r = 0; r < count; ++r) clear_frame(reader(r), keep_shared, tokens);
    __syncthreads();
  }

 private:
  template <class... Need>
  static __device__ void clear_frame(const frame<M, R, list<Need...>>& f, bool keep_shared, idx tokens) {
    (
        [&] {
          if (keep_shared && cpu::is_shared<Need>) return;
          const auto& b = f.template of<Need>();
          const idx count = f.template rows<Need>(tokens) * b.stride;
          for (idx i = threadIdx.x; i < count; i += blockDim.x) b.p[i] = element_of<Need, R>(R(0));
        }(),
        ...);
  }
};

// ---- constant streams: rows that all tokens of a head add to -------------------------------------------------------------
/// Numbers of a frame's constant rows.
template <class M, class R, class... Need>
COEFDYN_HD int constant_numbers(const frame<M, R, list<Need...>>& f) {
  int count = 0;
  ((count += !Need::timed ? int(f.template of<Need>().stride) * int(sizeof(element_of<Need, R>) / sizeof(R)) : 0), ...);
  return count;
}
/// The frame with its constant rows at `base`.
template <class M, class R, class... Need>
COEFDYN_HD frame<M, R, list<Need...>> with_constants(frame<M, R, list<Need...>> f, R* base) {
  (
      [&] {
        if (Need::timed) return;
        auto& b = f.template of<Need>();
        b.p = reinterpret_cast<element_of<Need, R>*>(base);
        base += b.stride * idx(sizeof(element_of<Need, R>) / sizeof(R));
      }(),
      ...);
  return f;
}
/// Copies a frame's constant rows to a slot.
template <class M, class R, class... Need>
__device__ void keep_constants(const frame<M, R, list<Need...>>& f, R* slot) {
  const auto kept = with_constants(f, slot);
  (
      [&] {
        if (Need::timed) return;
        const auto& b = f.template of<Need>();
        auto* to = kept.template of<Need>().p;
        each_unsynced(int(b.stride), [&](int c) { to[c] = b.p[c]; });
      }(),
      ...);
}

// ---- to the caller's tensors ----------------------------------------------------------------------------------------------
template <class V>
COEFDYN_HD bool repeats_itself(const V& v) {
  bool any = false;
  for (int a = 0; a < V::rank; ++a) any = any || (v.strides[a] == 0 && v.extents[a] > 1);
  return any;
}
/// Adds the timed rows of a gradient frame to the caller's gradients. `raw`: 3 n numbers for each thread.
template <class M, class R, class X, class G, class... Need>
__device__ __noinline__ void scatter(const X& x, const G& g, const extents& e, const sequence& s, const head_index& h, idx tokens,
                                     bool shared, const frame<M, R, list<Need...>>& d, R* raw) {
  (
      [&] {
        if (!Need::timed || (cpu::is_shared<Need> && !shared)) return;
        const auto& v = g.template of<Need>();
        if (!v.data) return;
        using E = element_of<Need, R>;
        using Stored = std::remove_cvref_t<decltype(*v.data)>;
        const auto& b = d.template of<Need>();
        idx size[2] = {};
        inner_extents<Need>(e.n, e.d, d.micro, size);
        const int head = cpu::head_of<Need>(h, e);
        const idx first = cpu::first_row<Need>(s, e, 0, d.writes), rows = d.template rows<Need>(tokens), across = size[1],
                  per_row = size[0] * size[1];
        const auto add = [&](idx r, idx i, const E& value) {
          idx inner[2];
          auto* p = cpu::row_pointer<Need>(v, s.batch, first + r, head, inner);
          auto& out = p[i / across * inner[0] + i % across * inner[1]];
          out = cpu::converted<Stored>(cpu::converted<E>(out) + value);
        };
        const bool alone = repeats_itself(v);  // one thread, so that sums are in order
        const idx begin = alone ? (threadIdx.x ? rows * per_row : 0) : idx(threadIdx.x), step = alone ? 1 : idx(blockDim.x);
        constexpr bool featured = traits<M>::has_feature && cpu::is_featured<Need> && std::is_same_v<E, R>;
        if constexpr (featured) {
          using Psi = typename M::feature_map;
          const auto input = [&](idx r, idx i) {
            idx in[2];
            const auto* q = cpu::row_pointer<Need>(x.template of<Need>(), s.batch, first + r, head, in);
            return cpu::converted<R>(q[i * in[0]]);
          };
          if constexpr (maps_channels<Psi>) {
            for (idx i = begin; i < rows * per_row; i += step)
              add(i / per_row, i % per_row,
                  along(b.p[i / per_row * b.stride + i % per_row], Psi::apply(dual<R>(input(i / per_row, i % per_row), R(1))).d));
          } else {
            R* mine = raw + idx(threadIdx.x) * 3 * e.n;
            for (idx r = alone ? (threadIdx.x ? rows : 0) : idx(threadIdx.x); r < rows; r += step) {
              for (int c = 0; c < e.n; ++c) mine[c] = input(r, c);
              cpu::feature_backward<Psi>(static_cast<const R*>(mine), static_cast<const R*>(b.p + r * b.stride), mine + e.n, mine + 2 * e.n,
                                         e.n);
              for (int c = 0; c < e.n; ++c) add(r, c, mine[e.n + c]);
            }
          }
        } else {
          for (idx i = begin; i < rows * per_row; i += step) add(i / per_row, i % per_row, b.p[i / per_row * b.stride + i % per_row]);
        }
      }(),
      ...);
  __syncthreads();
}

template <class V>
__global__ void clear_view(const __grid_constant__ V v) {
  const idx count = v.size();
  for (idx i = idx(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += idx(gridDim.x) * blockDim.x) {
    idx rest = i, offset = 0;
    for (int a = V::rank - 1; a >= 0; --a) {
      offset += rest % v.extents[a] * v.strides[a];
      rest /= v.extents[a];
    }
    v.data[offset] = std::remove_cvref_t<decltype(*v.data)>{};
  }
}
template <class T, int Rank>
void clear_view_of(cudaStream_t stream, const view<T, Rank>& v) {
  if (v.data && v.size() > 0)
    launch(stream, clear_view<view<T, Rank>>, "clear_view", v.size() / 1024 + 1 < 4096 ? v.size() / 1024 + 1 : 4096, 256, 0, v);
}
template <class G, class... Need>
void clear_gradients(cudaStream_t stream, const G& g, list<Need...>) {
  if (g.accumulate) return;
  (clear_view_of(stream,
                 static_cast<const view<std::remove_pointer_t<decltype(g.template of<Need>().data)>, Need::rank>&>(g.template of<Need>())),
   ...);
}

template <bool Reading, class M, class R, class G, class... Need>
__device__ void add_constants_of(const G& g, const extents& e, const R* slots, int numbers, frame<M, R, list<Need...>>*) {
  const int heads = Reading ? e.readers : e.states;
  int offset = 0;
  (
      [&] {
        if (Need::timed) return;
        using E = element_of<Need, R>;
        const auto& v = g.template of<Need>();
        idx size[2] = {};
        inner_extents<Need>(e.n, e.d, traits<M>::micro, size);
        const idx per_head = size[0] * size[1], count = per_head * (Need::headed ? e.heads_of(Need::heads) : 1);
        constexpr int units = int(sizeof(E) / sizeof(R));
        if (v.data) {
          using Stored = std::remove_cvref_t<decltype(*v.data)>;
          const bool alone = repeats_itself(v);
          const idx thread = idx(blockIdx.x) * blockDim.x + threadIdx.x;
          for (idx k = alone ? (thread ? count : 0) : thread; k < count; k += alone ? 1 : idx(gridDim.x) * blockDim.x) {
            E sum(R(0));
            for (idx s = 0; s < e.sequences; ++s)
              for (int h = 0; h < heads; ++h) {
                const head_index at{h, h};
                if (Need::headed && cpu::head_of<Need>(at, e) != k / per_head) continue;
                sum += reinterpret_cast<const E*>(slots + (s * heads + h) * numbers + offset)[k % per_head];
              }
            idx inner[2];
            auto* p = cpu::row_pointer<Need>(v, 0, 0, int(k / per_head), inner);
            auto& out = p[k % per_head / size[1] * inner[0] + k % per_head % size[1] * inner[1]];
            out = cpu::converted<Stored>(cpu::converted<E>(out) + sum);
          }
        }
        offset += int(per_head) * units;
      }(),
      ...);
}

/// Sums the slots of constant streams over sequences and heads, in order, into the caller's gradients.
template <class M, class R, class X, class G, bool Reading>
__global__ void add_constants(const __grid_constant__ G g, const __grid_constant__ extents e, const R* slots, int numbers) {
  using Frame = std::conditional_t<Reading, reader_frame_of<M, R, X>, state_frame_of<M, R, X>>;
  add_constants_of<Reading>(g, e, slots, numbers, static_cast<Frame*>(nullptr));
}
/// What a backward pass reads and writes besides the inputs.
template <class M, class Types, class G, class DY>
struct backward_call {
  G g;
  DY dy;
  const_state<M, Types> initial;         // the forward call's
  const_state<M, Types> final_gradient;  // empty: zero
  mutable_state<M, Types> initial_gradient;
};
/// Gradient of the final state into dS (n, stride), times e^m: S = e^m S~.
template <class M, class V, class E, class R>
__device__ void load_final_gradient(const V& final, idx sequence, int h, int n, int d, R m, E* dS, int stride) {
  const int e = value_width<M>(d), rows = is_complex<E> ? n : traits<M>::lowered(n);
  clear(dS, rows * stride);
  if (!final.S.data) return;
  const R f = traits<M>::stabilised ? math::exp(m) : R(1);
  each2(n, e, [&](int c, int v) {
    if (v < d) cpu::state_in(dS, stride, n, c, v, cpu::conjugate_if_complex<E>(final.S(sequence, h, c, v)));
    else if constexpr (traits<M>::needs_sum)
      if (final.z.data) cpu::state_in(dS, stride, n, c, v, cpu::conjugate_if_complex<E>(final.z(sequence, h, c)));
  });
  if (traits<M>::stabilised) each(rows * stride, [&](int i) { dS[i] = f * dS[i]; });
}
template <class M, class V, class E, class R>
__device__ void store_initial_gradient(const V& out, idx sequence, int h, int n, int d, R m, const E* dS, int stride) {
  if (!out.S.data) return;
  using Out = std::remove_cvref_t<decltype(out.S(0, 0, 0, 0))>;
  const int e = value_width<M>(d);
  const R f = traits<M>::stabilised ? math::exp(-m) : R(1);
  each2(n, e, [&](int c, int v) {
    const auto value =
        cpu::converted<Out>(cpu::conjugate_if_complex<E>(cpu::scaled(f, cpu::state_out<state_element<M, R>>(dS, stride, n, c, v))));
    if (v < d) out.S(sequence, h, c, v) = value;
    else if constexpr (traits<M>::needs_sum)
      if (out.z.data) out.z(sequence, h, c) = value;
  });
}
/// m before the first token; a gradient of the initial state asked for without one is at a zero state with m = 0.
template <class M, class R, class Call>
__device__ R starting_scale(const Call& call, idx sequence, int h) {
  if (traits<M>::stabilised && !call.initial.S.data && call.initial_gradient.S.data) return R(0);
  return initial_maximum_of<M, R>(call.initial, sequence, h);
}

}  // namespace coefdyn::cuda::generic
