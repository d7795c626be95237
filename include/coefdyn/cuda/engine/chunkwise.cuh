// SPDX-License-Identifier: MIT
#pragma once
#include "chunk.cuh"
#include "lower.cuh"
#include "plan.cuh"
#include "tuning.cuh"

/// The chunkwise form on the device, every structured family: a block has a sequence, a state head and a slice of value
/// columns, and goes through the chunks with the state in its memory.
namespace coefdyn::cuda::generic {

/// Element u of the value row at timeline row r, from any chunk.
template <skeleton Kind, class R>
struct value_rows {
  const R* p;
  int stride;
  slice columns;
  __device__ R operator()(int r, int u) const {
    return p[(Kind.structure.writes_each ? r : r / Kind.structure.micro_steps) * stride + columns.column(u)];
  }
};
/// Streams, operands and reads of a chunk.
template <class M, class R, class X>
struct chunk_source {
  using traits_ = traits<M>;
  int length = 0;
  operands<M, R> o;
  R *Q = nullptr, *p = nullptr, *raw = nullptr;
  state_frame_of<M, R, X> in;
  reader_frame_of<M, R, X> reads;

  COEFDYN_HD chunk_source(memory& a, const extents& e, int length_, int threads)
      : length(length_), o(a, length_, e.n, value_width<M>(e.d), false) {
    Q = a.take<R>(idx(o.rows) * o.ln), p = a.take<R>(length);
    const frame_shape shape{e.n, e.d, value_width<M>(e.d), length};
    lay(a, in, shape), lay(a, reads, shape);
    raw = a.take<R>(traits_::has_feature
                        ? (idx(threads) * 3 > idx(length) * traits_::writes ? idx(threads) * 3 : idx(length) * traits_::writes) * e.n
                        : 0);
  }
  /// Streams and operands of tokens [t, t + count); returns the last maximum.
  __device__ R load(const X& x, const extents& e, const head_place& head, idx t, int count, idx position, R m) {
    gather<M>(x, e, head.s, head.at(0), t, 0, count, in, raw);
    o.tokens = count, o.rows = count * traits_::micro;
    if constexpr (operands<M, R>::goes_onward) o.origin = o.onward ? t : 0;
    return lower<M>(in, position + t, m, o);
  }
  /// Queries of reader r over the same tokens, from token `from` on.
  __device__ void load_reads(const X& x, const extents& e, const head_place& head, int r, idx t, int count, int from) {
    gather<M>(x, e, head.s, head.at(r), t, from, count, reads, raw);
    lower_reads<M>(reads, o, from, Q, p);
  }
  __device__ value_rows<skeleton_of<M>, R> values(const slice& columns) const {
    const auto& v = in.template of<need<stream::v, ticks::write, width::value>>();
    return {v.p, int(v.stride), columns};
  }
};

/// Column u of a state (o.n, stride) as it leaves after o's last row, or before any if not `begun`.
template <class M, class R, class V>
__device__ void leave_column(const operands<M, R>& o, bool begun, const V& out, idx at, int h, int n, const slice& s, int u, int stride,
                             const R* S) {
  using O = operands<M, R>;
  if constexpr (O::goes_onward) {
    using Stored = std::remove_cvref_t<decltype(out.S(0, 0, 0, 0))>;
    if (o.onward && begun) {
      const auto put = [&](int c, const Stored& value) {
        if (u < s.count) {
          out.S(at, h, c, s.first + u) = value;
        } else if constexpr (traits<M>::needs_sum) {
          if (s.first == 0) out.z(at, h, c) = value;
        }
      };
      for (int p = 0; p < o.n / 2; ++p) {
        const channel_pair i = pair_of(O::pairs, p, o.n);
        R two[2] = {S[i.x * stride + u], S[i.y * stride + u]};
        o.turn_whole(p, +1, two[0], two[1]);
        if constexpr (is_complex<Stored>) put(p, cpu::state_out<Stored>(two, 1, 1, 0, 0));
        else put(i.x, cpu::converted<Stored>(two[0])), put(i.y, cpu::converted<Stored>(two[1]));
      }
      return;
    }
  }
  store_column<M>(out, at, h, n, s, u, stride, S);
}

template <class M, class R, class X>
struct chunkwise_block {
  static constexpr int threads = chunk_threads;
  int le = 0;
  R *S = nullptr, *Y = nullptr;
  chunk<M, R, passes<X>> k;
  chunk_source<M, R, X> source;
  COEFDYN_HD chunkwise_block(memory& a, const extents& e, int length, int columns)
      : le(padded(width(e, columns))),
        S(a.take<R>(idx(traits<M>::lowered(e.n)) * le)),
        Y(a.take<R>(idx(length) * traits<M>::micro * le)),
        k(a, length * traits<M>::micro, traits<M>::lowered(e.n), width(e, columns), false),
        source(a, e, length, threads) {}
  static COEFDYN_HD int width(const extents& e, int columns) { return (e.d < columns ? e.d : columns) + (traits<M>::needs_sum ? 1 : 0); }
};

template <class M, class R, class X, class Y, class Carry>
__global__ void __launch_bounds__(chunk_threads)
    chunkwise_kernel(const __grid_constant__ X x, const __grid_constant__ extents e, int length, int columns, const __grid_constant__ Y y,
                     const __grid_constant__ Carry carry, std::byte* slow, idx slow_bytes, idx fast_bytes, idx items) {
  using traits_ = traits<M>;
  extern __shared__ __align__(16) std::byte fast[];
  memory a{fast, slow + idx(blockIdx.x) * slow_bytes, fast_bytes};
  chunkwise_block<M, R, X> w(a, e, length, columns);
  auto& f = w.source;
  f.o.begin_forward();
  const int slices = slices_of(e.d, columns), le = w.le;
  each_item(items, [&](idx item) {
    const slice s = slice_at<M>(e.d, int(item % slices), columns);
    const head_place head = head_at(x, e, item / slices);
    const idx tokens = head.tokens(), start = carry.initial.S.data && carry.initial.position.data ? carry.initial.position(head.index) : 0;
    const auto value = f.values(s);
    w.k.e = s.width;
    load_state<M>(carry.initial, head.index, head.state, e.n, s, le, w.S);
    R m = initial_maximum_of<M, R>(carry.initial, head.index, head.state);
    int next = 0;
    const auto store = [&](const auto& out, idx slot, idx done) {
      each_unsynced(s.width, [&](int u) { leave_column<M, R>(f.o, done > 0, out, slot, head.state, e.n, s, u, le, w.S); });
      if (threadIdx.x == 0 && s.first == 0) store_marks<M>(out, slot, head.state, m, start + done);
      __syncthreads();
    };
    const auto capture = [&](idx done) {
      for (; next < carry.captures && (carry.positions[next] <= done || done == tokens); ++next)
        store(carry.captured, idx(next) * e.sequences + head.index, done);
    };
    capture(0);
    for (idx t = 0; t < tokens;) {
      int count = int(tokens - t < length ? tokens - t : length);
      if (next < carry.captures && carry.positions[next] < t + count)
        count = int(carry.positions[next] - t);  // chunks end where a state is captured
      m = f.load(x, e, head, t, count, start, m);
      w.k.prepare(f.o, w.S, value);
      const int from = int(e.first_read - t <= 0 ? 0 : e.first_read - t < count ? e.first_read - t : count);
      for (int r = 0; r < head.readers && from < count; ++r) {
        f.load_reads(x, e, head, r, t, count, from);
        w.k.read(f.o, f.Q, f.p, w.S, w.Y, value);
        each2(count - from, s.count, [&](int k, int v) {
          const int i = from + k;
          const R* row = w.Y + cpu::read_row<M>(i) * le;
          finish_element<M>(row[v], traits_::needs_sum ? row[s.count] : R(0), f.o.m[i], f.reads.at(i, 0, start + t + i), y, head.s.batch,
                            head.s.begin + t + i - e.first_read, head.first_reader + r, s.first + v);
        });
      }
      w.k.advance(f.o, w.S);
      t += count;
      capture(t);
    }
    if (carry.final.S.data) store(carry.final, head.index, tokens);
  });
}

/// Shared memory that a block may have on this device.
inline idx largest_shared() {
  int device = 0, bytes = 0;
  checked(cudaGetDevice(&device), "cudaGetDevice");
  checked(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "cudaDeviceGetAttribute");
  return bytes - 2048;
}

template <class M, class R, class X>
struct chunkwise_plan : engine_plan<X> {
  using Base = engine_plan<X>;
  using Base::blocks, Base::e, Base::fast, Base::items, Base::slow;
  int asked = 0, length = 0, columns = 0;
  chunkwise_plan(form::chunkwise f, const X&, const extents& e_, idx longest) : Base(e_, longest) {
    const chunk_tuning tuned = tuning_for<M, R>(e.n, e.d);
    asked = length = f.length > 0 ? f.length : tuned.chunk;
    if (length > longest) length = longest > 0 ? int(longest) : 1;
    columns = tuned.columns;
    memory a{nullptr, nullptr, largest_shared()};
    chunkwise_block<M, R, X>(a, e, length, columns);
    fast = a.fast_used, slow = a.slow_used;
    items = e.sequences * e.states * slices_of(e.d, columns);
    blocks = blocks_for(items, slow);
  }
  std::string name() const { return "chunkwise, generic, chunks of " + std::to_string(asked); }
  idx bytes() const { return this->detour_bytes() + slow * blocks; }
  template <class Y, class Carry>
  void run(cudaStream_t stream, const X& x, const Y& y, const Carry& c, std::byte* ws, std::byte*) const {
    this->with_states_apart(stream, x, c, ws, [&](const Carry& own, std::byte* rest) {
      launch(stream, chunkwise_kernel<M, R, X, Y, Carry>, "chunkwise_kernel", blocks, chunkwise_block<M, R, X>::threads, std::size_t(fast),
             x, e, length, columns, y, own, rest, slow, fast, items);
    });
  }
};

}  // namespace coefdyn::cuda::generic
