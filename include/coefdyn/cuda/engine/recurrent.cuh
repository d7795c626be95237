// SPDX-License-Identifier: MIT
#pragma once
#include "plan.cuh"

/// The recurrent form on the device, any linear map: a block has a sequence, a state head and a slice of value columns; a thread
/// has one column of the state and applies the policies to it as they stand. A step is the same over a few tokens.
namespace coefdyn::cuda::generic {

template <class M, class R, class X>
struct recurrent_block {
  using traits_ = traits<M>;
  using A = typename M::evolution;
  using E = state_element<M, R>;
  static constexpr int threads = 128, columns = 64;
  state_frame_of<M, R, X> in;
  reader_frame_of<M, R, X> reads;  // of one reader; the others follow in memory
  std::byte* reader_memory = nullptr;
  idx reader_bytes = 0;
  int n = 0, window = 0, width = 0, readers = 0;
  E* S = nullptr;                                          // (n, width)
  R *numerator = nullptr, *top = nullptr, *raw = nullptr;  // (window, readers, width), (window)

  COEFDYN_HD recurrent_block(memory& a, const extents& e, idx longest) : n(e.n), readers(cpu::readers_per_state(e)) {
    const int widest = readers > 16 ? 1 : 16 / (readers > 0 ? readers : 1);
    window = int(longest < widest ? (longest > 0 ? longest : 1) : widest);
    width = (e.d < columns ? e.d : columns) + (traits_::needs_sum ? 1 : 0);
    const frame_shape shape{e.n, e.d, value_width<M>(e.d), window};
    lay(a, in, shape);
    memory one;
    lay(one, reads, shape);
    reader_bytes = one.slow_used;
    S = a.take<E>(idx(n) * width);
    numerator = a.take<R>(idx(window) * readers * width), top = a.take<R>(window);
    raw = a.take<R>(traits_::has_feature ? idx(window) * traits_::writes * e.n : 0);
    reader_memory = a.take<std::byte>(reader_bytes * readers);
  }
  COEFDYN_HD reader_frame_of<M, R, X> reader(int r) const {
    reader_frame_of<M, R, X> f;
    memory at{reader_memory + r * reader_bytes, nullptr, reader_bytes};
    lay(at, f, reads.shape);
    return f;
  }
};

/// Writes of token i, micro-step l, into one column; column u of value rows.
template <class M, class R, class E, class Frame>
__device__ void advance_column(const Frame& in, int i, int l, idx position, R extra, R m, int u, E* S, int stride) {
  using traits_ = traits<M>;
  const auto at = in.at(i, l, position);
  E work;
  evolve<typename M::evolution, false>(at, state_matrix<E>{S, stride, 1}, &work, extra);
  if (traits_::writes_at(l)) {
    const R b = cpu::write_b<M>(at, m), v = R(at.v[u]);
    for (int c = 0; c < at.n; ++c) S[c * stride] += v * (b * cpu::write_key<M, E>(at, c));
  }
}
/// The maximum of a read of a state scaled by e^-m; reading before the write, the bonus's own exponent joins it.
template <class M, class R, class Frame>
__device__ R read_maximum(const Frame& in, int i, idx position, R m) {
  using traits_ = traits<M>;
  if constexpr (traits_::stabilised && traits_::structure.order == reads::before_write)
    return math::max(m, R(M::scaling::log_scale(in.at(i, traits_::micro - 1, position))));
  else return m;
}
template <class R>
__device__ R past_factor(R m, R top) {
  return top == m ? R(1) : math::exp(m - top);
}
/// q' diag(u) (b K) without b.
template <class M, class R, class E, class Q, class At>
__device__ R own_score(const Q& q_at, const At& at) {
  R own(0);
  for (int c = 0; c < at.n; ++c) own += real_part((R(M::evolution::bonus(at, c)) * E(q_at.q[c])) * cpu::write_key<M, E>(at, c));
  return own;
}
/// One read of one column.
template <class M, class R, class E, class Frame, class Q>
__device__ R read_column(const Frame& in, const Q& q_at, int i, idx position, R m, R top, int u, const E* S, int stride) {
  const R past = past_factor(m, top);
  R sum(0);
  for (int c = 0; c < q_at.n; ++c) sum += real_part((past * E(q_at.q[c])) * S[c * stride]);
  if constexpr (traits<M>::structure.order == reads::before_write) {
    const auto at = in.at(i, traits<M>::micro - 1, position);
    sum += own_score<M, R, E>(q_at, at) * cpu::write_b<M>(at, top) * R(at.v[u]);
  }
  return sum;
}

/// Six blocks a multiprocessor in float: one token is a matter of bytes under way.
template <class M, class R, class X, class Y, class Carry>
__global__ void __launch_bounds__(128, sizeof(R) == 4 ? 6 : 1)
    recurrent_kernel(const __grid_constant__ X x, const __grid_constant__ extents e, idx longest, const __grid_constant__ Y y,
                     const __grid_constant__ Carry carry, std::byte* slow, idx slow_bytes, idx fast_bytes, idx items) {
  using traits_ = traits<M>;
  using Block = recurrent_block<M, R, X>;
  using E = typename Block::E;
  extern __shared__ __align__(16) std::byte fast[];
  memory a{fast, slow + idx(blockIdx.x) * slow_bytes, fast_bytes};
  const Block w(a, e, longest);
  const int slices = slices_of(e.d, Block::columns);
  each_item(items, [&](idx item) {
    const slice s = slice_at<M>(e.d, int(item % slices), Block::columns);
    const head_place head = head_at(x, e, item / slices);
    const idx tokens = head.tokens(), start = carry.initial.S.data && carry.initial.position.data ? carry.initial.position(head.index) : 0;
    load_state<M>(carry.initial, head.index, head.state, e.n, s, w.width, w.S);
    const int u = int(threadIdx.x), column = s.column(u);
    const bool mine = u < s.width;
    R m = initial_maximum_of<M, R>(carry.initial, head.index, head.state);
    int next = 0;
    const auto capture = [&](idx done) {
      for (; next < carry.captures && (carry.positions[next] <= done || done == tokens); ++next) {
        const idx slot = idx(next) * e.sequences + head.index;
        if (mine) store_column<M>(carry.captured, slot, head.state, e.n, s, u, w.width, w.S);
        if (u == 0 && s.first == 0) store_marks<M>(carry.captured, slot, head.state, m, start + done);
      }
    };
    capture(0);
    for (idx t0 = 0; t0 < tokens; t0 += w.window) {
      const int count = int(tokens - t0 < w.window ? tokens - t0 : w.window);
      const int from = int(e.first_read - t0 <= 0 ? 0 : e.first_read - t0 < count ? e.first_read - t0 : count);
      gather<M>(x, e, head.s, head.at(0), t0, 0, count, w.in, w.raw);
      for (int r = 0; r < w.readers && from < count; ++r) {
        auto reads = w.reader(r);
        gather<M>(x, e, head.s, head.at(r), t0, from, count, reads, w.raw);
      }
      if (mine)
        for (int i = 0; i < count; ++i) {
          const idx position = start + t0 + i;
          const auto read = [&] {
            if (i < from) return;
            const R top = read_maximum<M>(w.in, i, position, m);
            if (u == 0) w.top[i] = top;
            for (int r = 0; r < w.readers; ++r)
              w.numerator[(idx(i) * w.readers + r) * w.width + u] =
                  read_column<M, R, E>(w.in, w.reader(r).at(i, 0, position), i, position, m, top, column, w.S + u, w.width);
          };
          if constexpr (traits_::structure.order == reads::before_write) read();
          R extra(0);
          if constexpr (traits_::stabilised) extra = cpu::next_maximum<M>(w.in, i, position, m);
          for (int l = 0; l < traits_::micro; ++l)
            advance_column<M, R, E>(w.in, i, l, position, l == 0 ? extra : R(0), m, column, w.S + u, w.width);
          if constexpr (traits_::structure.order == reads::after_write) read();
          capture(t0 + i + 1);
        }
      __syncthreads();
      each((count - from) * w.readers * s.count, [&](int k) {
        const int i = from + k / (w.readers * s.count), r = k / s.count % w.readers, v = k % s.count;
        const R* row = w.numerator + (idx(i) * w.readers + r) * w.width;
        finish_element<M>(row[v], traits_::needs_sum ? row[s.count] : R(0), w.top[i], w.reader(r).at(i, 0, start + t0 + i), y, head.s.batch,
                          head.s.begin + t0 + i - e.first_read, head.first_reader + r, s.first + v);
      });
    }
    if (carry.final.S.data) {
      if (mine) store_column<M>(carry.final, head.index, head.state, e.n, s, u, w.width, w.S);
      if (u == 0 && s.first == 0) store_marks<M>(carry.final, head.index, head.state, m, start + tokens);
    }
  });
}

template <class M, class R, class X>
struct recurrent_plan : engine_plan<X> {
  using Base = engine_plan<X>;
  using Base::blocks, Base::e, Base::fast, Base::items, Base::longest, Base::slow;
  template <class Form>
  recurrent_plan(Form, const X&, const extents& e_, idx longest_) : Base(e_, longest_) {
    memory a{nullptr, nullptr, shared_limit};
    recurrent_block<M, R, X>(a, e, longest);
    fast = a.fast_used, slow = a.slow_used;
    items = e.sequences * e.states * slices_of(e.d, recurrent_block<M, R, X>::columns);
    blocks = blocks_for(items, slow);
  }
  std::string name() const { return "recurrent, generic"; }
  idx bytes() const { return this->detour_bytes() + slow * blocks; }
  template <class Y, class Carry>
  void run(cudaStream_t stream, const X& x, const Y& y, const Carry& c, std::byte* ws, std::byte*) const {
    this->with_states_apart(stream, x, c, ws, [&](const Carry& own, std::byte* rest) {
      launch(stream, recurrent_kernel<M, R, X, Y, Carry>, "recurrent_kernel", blocks, recurrent_block<M, R, X>::threads, std::size_t(fast),
             x, e, longest, y, own, rest, slow, fast, items);
    });
  }
};

}  // namespace coefdyn::cuda::generic
