// SPDX-License-Identifier: MIT
#pragma once
#include "../engine/lower.cuh"

/// What a lane of a scan has: a channel of an item, and the streams as that channel sees them.
namespace coefdyn::cuda::small {

using namespace generic;  // frames, operands and loops of a block

/// The streams of one head as one channel sees them, from the caller's memory into registers. A policy reads vectors at its own channel
/// only, so rows of stride 0 serve it.
template <class M, class R, class X, class Needs>
struct channel_streams;
template <class M, class R, class X, class... Need>
struct channel_streams<M, R, X, list<Need...>> {
  using Psi = typename M::feature_map;
  template <class N>
  struct one {
    element_of<N, R> value;
  };
  struct values : one<Need>... {};
  template <class N>
  struct source {
    decltype(X{}.template of<N>().data) p;
    idx step;
  };
  struct sources : source<Need>... {};
  sources from;

  channel_streams() = default;
  __device__ channel_streams(const X& x, const extents& e, const sequence& s, const head_index& h, int c, int v) {
    (
        [&] {
          const auto view = x.template of<Need>();
          idx inner[2];
          const auto* p = cpu::row_pointer<Need>(view, s.batch, cpu::first_row<Need>(s, e, 0, 1), cpu::head_of<Need>(h, e), inner);
          source<Need>& to = from;
          to.p = p + (Need::inner == width::value ? v : c) * inner[0];
          if constexpr (Need::timed) {
            to.step = view.strides[1];
          } else {
            to.step = 0;
          }
        }(),
        ...);
  }
  /// Token t of the timed streams, or what does not depend on time. `queries`: q too.
  template <bool timed, bool queries = true>
  __device__ __forceinline__ void load(idx t, values& to) const {
    (
        [&] {
          if constexpr (Need::timed == timed && (queries || !std::is_same_v<typename Need::tag, stream::q>)) {
            using E = element_of<Need, R>;
            const source<Need>& in = from;
            E value = cpu::converted<E>(in.p[t * in.step]);
            if constexpr (traits<M>::has_feature && cpu::is_featured<Need> && std::is_same_v<E, R>) {
              value = Psi::apply(value);
            }
            static_cast<one<Need>&>(to).value = value;
          }
        }(),
        ...);
  }
  __device__ __forceinline__ token<R, list<Need...>> at(const values& v, idx position, const extents& e) const {
    return {{as_policy_sees<Need>(v)}..., {position, e.n, e.d, 0}};
  }

 private:
  template <class N>
  __device__ __forceinline__ auto as_policy_sees(const values& v) const {
    const one<N>& held = v;
    if constexpr (coefdyn::detail::is_scalar_at<N>) return held.value;
    else return row<element_of<N, R>>{&held.value, 0};
  }
};
template <class M, class R, class X>
using channel_writes = channel_streams<M, R, X, state_needs<needs_of<M, X::over>>>;
template <class M, class R, class X>
using channel_reads = channel_streams<M, R, X, reader_needs<needs_of<M, X::over>>>;

/// lambda of one channel.
template <class M, class R, class At>
__device__ __forceinline__ state_element<M, R> channel_decay(const At& at, int c) {
  using A = typename M::evolution;
  if constexpr (traits<M>::complex_state) return math::polar_exp(R(log_decay_of<A>(at, c)), R(A::angle(at, c)));
  else if constexpr (traits<M>::structure.decay == decaying::none) return R(1);
  else return math::exp(R(log_decay_of<A>(at, c)));
}

/// Where a warp is: its lanes are `lanes` (a power of 2) channels of 32 / lanes items, an item being one column of one head; with more
/// than 32 channels, a lane has every 32nd.
struct scan_lane {
  static constexpr int warps = 8, threads = 32 * warps;
  int lanes = 1, first = 0, item = 0, channel = 0;  // first: item of the warp
  bool mine = false;
  COEFDYN_HD static int lanes_for(int n) {
    int lanes = 1;
    while (lanes < n && lanes < 32) lanes *= 2;
    return lanes;
  }
  COEFDYN_HD static idx blocks_for(int n, int items) {
    const int each = warps * (32 / lanes_for(n));
    return (items + each - 1) / each;
  }
  __device__ scan_lane(int n, int items, idx block) : lanes(lanes_for(n)) {
    const int lane = int(threadIdx.x) % 32;
    first = (int(block) * warps + int(threadIdx.x) / 32) * (32 / lanes);
    item = first + lane / lanes;
    channel = lane % lanes;
    mine = item < items;
    if (!mine) item = items - 1;  // goes along, gives nothing
  }
};
/// A block's part of a scan: some items of one chunk of one sequence.
struct scan_place {
  idx index, chunk, block, begin, end;  // of the sequence; its tokens [begin, end)
  sequence s;
  bool there, last;  // the sequence has this chunk; it ends there
  template <class X>
  __device__ scan_place(const X& x, const extents& e, idx i, idx blocks, idx chunks, idx length)
      : index(i / blocks / chunks), chunk(i / blocks % chunks), block(i % blocks), s(sequence_at(x, e, i / blocks / chunks)) {
    const idx tokens = s.end - s.begin;
    begin = chunk * length, end = begin + length < tokens ? begin + length : tokens;
    there = chunk == 0 || begin < tokens;
    last = begin + length >= tokens;
  }
};

}  // namespace coefdyn::cuda::small
