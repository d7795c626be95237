// SPDX-License-Identifier: MIT
#pragma once
#include "../engine/plan.cuh"
#include "../kernels.hpp"
#include "scan_lane.cuh"

/// Diagonal evolutions over states of one column or few, where a matrix product would be of vectors: every channel is a scan of its own,
/// real or complex. A lane has a channel, a warp's lanes the channels of one head or several; time is cut into chunks:
///
///   summary  of every chunk but the last:  a = product of lambda, h = its state from zero
///   chain    over the chunks of a sequence:  S <- a S + h, leaving the state that enters each
///   read     every chunk from there:  h <- lambda h + b k v,  y = Re(q' h) / eta
///
/// A sequence of one chunk needs the last pass only. Lengths of chunks depend on T alone, sums over channels have a fixed order.
namespace coefdyn::cuda::small {

/// Largest n and d that take scans, and heads that read one state: each scans again.
constexpr int widest_scan = 128, most_scan_columns = 4, most_scan_readers = 4;
/// Tokens of a chunk.
constexpr idx scan_length(idx longest) { return longest <= 256 ? (longest > 0 ? longest : 1) : longest <= 16384 ? 128 : 256; }

/// Whether scans serve a call: by its sizes alone.
template <class M, class R, class X>
bool scan_fits(const extents& e) {
  return e.n >= 1 && e.n <= widest_scan && e.d >= 1 && e.d <= most_scan_columns && cpu::readers_per_state(e) <= most_scan_readers;
}

template <class M, class R, class X, int Channels>
__global__ void __launch_bounds__(scan_lane::threads, 3)
    scan_summary_kernel(const __grid_constant__ X x, const __grid_constant__ extents e, idx chunks, idx length, const idx* start,
                        idx start_stride, state_element<M, R>* products, state_element<M, R>* states, idx blocks, idx count) {
  using E = state_element<M, R>;
  using traits_ = traits<M>;
  using Writes = channel_writes<M, R, X>;
  constexpr int ahead = 8 / Channels;
  const int items = e.states * e.d;
  for (idx i = blockIdx.x; i < count; i += gridDim.x) {
    const scan_place at(x, e, i, blocks, chunks, length);
    if (!at.there || at.last) continue;  // nobody reads its summary
    const scan_lane w(e.n, items, at.block);
    const idx position = start ? start[at.index * start_stride] : 0;
    const int h = w.item / e.d, v = w.item % e.d;
#pragma unroll
    for (int j = 0; j < Channels; ++j) {
      const int c = w.channel + 32 * j, own = c < e.n ? c : e.n - 1;
      const Writes in(x, e, at.s, {h, 0}, own, v);
      typename Writes::values held[ahead];
#pragma unroll
      for (int k = 0; k < ahead; ++k) in.template load<false>(0, held[k]);
      E a(R(1)), state{}, lambda{};
      if constexpr (traits_::structure.constant) lambda = channel_decay<M, R>(in.at(held[0], position, e), own);
      for (idx t = at.begin; t < at.end; t += ahead) {
#pragma unroll
        for (int k = 0; k < ahead; ++k) in.template load<true>(t + k < at.end ? t + k : at.end - 1, held[k]);
#pragma unroll
        for (int k = 0; k < ahead; ++k) {
          const auto token = in.at(held[k], position + t + k, e);
          if constexpr (!traits_::structure.constant) lambda = channel_decay<M, R>(token, own);
          if (t + k < at.end) {
            state = lambda * state + R(token.v[v]) * (cpu::write_b<M>(token, R(0)) * cpu::write_key<M, E>(token, own));
            a = lambda * a;
          }
        }
      }
      if (w.mine && c < e.n) {
        const idx to = ((at.index * chunks + at.chunk) * items + w.item) * e.n + c;
        products[to] = a, states[to] = state;
      }
    }
  }
}

/// entered: the state before each chunk, (sequences, chunks, states, d, n).
template <class M, class R, class X, class Initial>
__global__ void __launch_bounds__(256)
    scan_chain_kernel(const __grid_constant__ X x, const __grid_constant__ extents e, idx chunks, idx length,
                      const __grid_constant__ Initial initial, const state_element<M, R>* __restrict__ products,
                      const state_element<M, R>* __restrict__ states, state_element<M, R>* __restrict__ entered) {
  using E = state_element<M, R>;
  constexpr int ahead = 8;
  const idx row = idx(e.states) * e.d * e.n, count = e.sequences * row;
  for (idx i = idx(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += idx(gridDim.x) * blockDim.x) {
    const idx index = i / row, element = i % row;
    const int c = int(element % e.n), v = int(element / e.n % e.d), h = int(element / e.n / e.d);
    const sequence s = sequence_at(x, e, index);
    const idx tokens = s.end - s.begin, own = tokens > length ? (tokens + length - 1) / length : 1;
    E S{};
    if (initial.S.data) S = cpu::converted<E>(initial.S(index, h, c, v));
    const idx base = index * chunks * row + element;
    for (idx k0 = 0; k0 < own; k0 += ahead) {
      E a[ahead], add[ahead];
#pragma unroll
      for (int k = 0; k < ahead; ++k)
        if (k0 + k + 1 < own) a[k] = products[base + (k0 + k) * row], add[k] = states[base + (k0 + k) * row];
#pragma unroll
      for (int k = 0; k < ahead; ++k)
        if (k0 + k < own) {
          entered[base + (k0 + k) * row] = S;
          if (k0 + k + 1 < own) S = a[k] * S + add[k];
        }
    }
  }
}

/// A lane's channels of an item's state into a caller's.
template <class M, class R, class Out, class E, int Channels>
__device__ __forceinline__ void store_channels(const Out& out, idx slot, int state, int v, int channel, const int (&own)[Channels],
                                               const E (&h)[Channels], int n, idx position) {
  using Stored = std::remove_cvref_t<decltype(out.S(0, 0, 0, 0))>;
#pragma unroll
  for (int j = 0; j < Channels; ++j)
    if (channel + 32 * j < n) out.S(slot, state, own[j], v) = cpu::converted<Stored>(h[j]);
  if (channel == 0 && v == 0) store_marks<M>(out, slot, state, R(0), position);
}
/// The state that enters a chunk: after the scan over chunks, or the caller's, or zero.
template <class E, class Initial>
__device__ __forceinline__ E entering_state(const Initial& initial, const E* entered, idx index, idx chunk, int state, int v, int c,
                                            const extents& e) {
  if (entered) return entered[((chunk * e.states + state) * e.d + v) * e.n + c];
  if (initial.S.data) return cpu::converted<E>(initial.S(index, state, c, v));
  return E{};
}
constexpr int scan_tile = 32, scan_pitch = scan_tile + 1;  // tokens whose parts a warp adds up at once; pitch of a token's parts
/// y of the tokens of a tile: a lane sums one token of one item.
template <class M, class R, class Reads, class X, class Y>
__device__ __forceinline__ void read_tile(const X& x, const extents& e, const Y& y, const scan_place at, const scan_lane w, const R* part,
                                          idx t0, idx start) {
  const int lane = int(threadIdx.x) % 32, readers = cpu::readers_per_state(e), items = e.readers * e.d, here = 32 / w.lanes;
  for (int q = 0; q < here; ++q) {
    const int k = q * w.lanes + lane / here, which = lane % here;
    const idx t = t0 + k;
    if (t >= at.end || t < e.first_read || w.first + which >= items) continue;
    R sum(0);
    for (int c = 0; c < w.lanes; ++c) sum += part[k * scan_pitch + which * w.lanes + c];
    const int target = w.first + which, to = target / e.d, column = target % e.d;
    const Reads in(x, e, at.s, {to / readers, to}, 0, column);
    typename Reads::values gates{};
    in.template load<false, false>(0, gates), in.template load<true, false>(t, gates);
    finish_element<M>(sum, R(0), R(0), in.at(gates, start + t, e), y, at.s.batch, at.s.begin + t - e.first_read, to, column);
  }
}

template <class M, class R, class X, class Y, class Carry, int Channels>
__global__ void __launch_bounds__(scan_lane::threads, Channels == 1 ? 3 : 2)
    scan_kernel(const __grid_constant__ X x, const __grid_constant__ extents e, idx chunks, idx length, const __grid_constant__ Y y,
                const __grid_constant__ Carry carry, const state_element<M, R>* entered, idx blocks, idx count) {
  using E = state_element<M, R>;
  using traits_ = traits<M>;
  using Writes = channel_writes<M, R, X>;
  using Reads = channel_reads<M, R, X>;
  constexpr int ahead = 8 / Channels, tile = scan_tile, pitch = scan_pitch;
  __shared__ R parts[scan_lane::warps][tile * pitch];  // (token, lane) of a warp: what a lane's channels add to y
  R* const part = parts[threadIdx.x / 32];
  const int lane = int(threadIdx.x) % 32, readers = cpu::readers_per_state(e), items = e.readers * e.d;
  for (idx i = blockIdx.x; i < count; i += gridDim.x) {
    const scan_place at(x, e, i, blocks, chunks, length);
    if (!at.there) continue;
    const scan_lane w(e.n, items, at.block);
    const int reader = w.item / e.d, v = w.item % e.d, state = reader / readers;
    const idx tokens = at.s.end - at.s.begin, last = at.end - 1;
    const bool keeps = w.mine && reader % readers == 0, heard = e.first_read < tokens;
    const idx start = carry.initial.S.data && carry.initial.position.data ? carry.initial.position(at.index) : 0;
    E h[Channels], lambda[Channels];
    int own[Channels];
    typename Writes::values written[Channels][ahead];
    typename Reads::values asked[Channels][ahead] = {};
    Writes writes[Channels];
    Reads asks[Channels];
#pragma unroll
    for (int j = 0; j < Channels; ++j) {
      const int c = w.channel + 32 * j;
      own[j] = c < e.n ? c : e.n - 1;
      writes[j] = Writes(x, e, at.s, {state, reader}, own[j], v), asks[j] = Reads(x, e, at.s, {state, reader}, own[j], v);
      h[j] = entering_state<E>(carry.initial, entered, at.index, at.index * chunks + at.chunk, state, v, own[j], e);
#pragma unroll
      for (int k = 0; k < ahead; ++k) writes[j].template load<false>(0, written[j][k]), asks[j].template load<false>(0, asked[j][k]);
      if constexpr (traits_::structure.constant) lambda[j] = channel_decay<M, R>(writes[j].at(written[j][0], start, e), own[j]);
    }
    const auto store = [&](const auto& out, idx slot, idx position) {
      if (keeps) store_channels<M, R>(out, slot, state, v, w.channel, own, h, e.n, position);
    };
    int next = 0;
    while (next < carry.captures && at.chunk > 0 && carry.positions[next] <= at.begin) ++next;
    const auto capture = [&](idx done) {
      for (; next < carry.captures && (carry.positions[next] <= done || done == tokens); ++next)
        store(carry.captured, idx(next) * e.sequences + at.index, start + done);
    };
    if (at.chunk == 0) capture(0);
    for (idx t0 = at.begin; t0 < at.end; t0 += tile) {
      for (int q = 0; q < tile && t0 + q < at.end; q += ahead) {
#pragma unroll
        for (int i = 0; i < Channels * ahead; ++i) {
          const int j = i / ahead, k = i % ahead;
          const idx t = t0 + q + k < at.end ? t0 + q + k : last;  // past the end the last again
          writes[j].template load<true>(t, written[j][k]);
          if (heard) asks[j].template load<true>(t < e.first_read ? e.first_read : t, asked[j][k]);
        }
#pragma unroll
        for (int k = 0; k < ahead; ++k) {
          const idx t = t0 + q + k;
          R sum(0);
#pragma unroll
          for (int j = 0; j < Channels; ++j) {
            const int c = own[j];
            const auto in = writes[j].at(written[j][k], start + t, e);
            const E key = cpu::write_key<M, E>(in, c), query = E(asks[j].at(asked[j][k], start + t, e).q[c]);
            const R scaled = cpu::write_b<M>(in, R(0)) * R(in.v[v]);
            if constexpr (!traits_::structure.constant) lambda[j] = channel_decay<M, R>(in, c);
            R value(0);
            if constexpr (traits_::structure.order == reads::before_write)
              value = real_part(query * h[j]) + scaled * real_part((R(M::evolution::bonus(in, c)) * query) * key);
            if (t < at.end) h[j] = lambda[j] * h[j] + scaled * key;
            if constexpr (traits_::structure.order == reads::after_write) value = real_part(query * h[j]);
            sum += w.channel + 32 * j < e.n ? value : R(0);
          }
          part[(q + k) * pitch + lane] = sum;
          if (t < at.end) capture(t + 1);
        }
      }
      __syncwarp();
      read_tile<M, R, Reads>(x, e, y, at, w, part, t0, start);
      __syncwarp();
    }
    if (at.last && carry.final.S.data) store(carry.final, at.index, start + tokens);
  }
}

template <class M, class R, class X>
struct scan_plan : engine_plan<X> {
  static constexpr bool exists = has_scan<M> && std::is_same_v<R, float>;
  using engine_plan<X>::e, engine_plan<X>::longest;
  using E = state_element<M, R>;
  idx length = 1, chunks = 1, elements = 0;  // of one table of states
  bool enters = false;                       // states that enter chunks are kept
  template <class Form>
  scan_plan(Form, const X&, const extents& e_, idx longest_) : engine_plan<X>(e_, longest_), length(scan_length(longest_)) {
    chunks = longest > length ? (longest + length - 1) / length : 1;
    enters = chunks > 1 || cpu::readers_per_state(e) > 1;
    elements = enters ? e.sequences * chunks * e.states * e.d * e.n : 0;
  }
  std::string name() const { return "scan"; }
  bool fits() const { return longest > 0 && scan_fits<M, R, X>(e); }
  idx bytes() const { return elements * idx(sizeof(E)) * (chunks > 1 ? 3 : 1); }
  template <class Y, class Carry>
  void run(cudaStream_t stream, const X& x, const Y& y, const Carry& c, std::byte* ws, std::byte*) const {
    if (e.n > 32) passes<4>(stream, x, y, c, ws);
    else passes<1>(stream, x, y, c, ws);
  }

 private:
  template <int Channels, class Y, class Carry>
  void passes(cudaStream_t stream, const X& x, const Y& y, const Carry& c, std::byte* ws) const {
    E* const entered = enters ? reinterpret_cast<E*>(ws) : nullptr;
    E *const products = entered + elements, *const states = products + elements;
    if (chunks > 1) {
      const idx blocks = scan_lane::blocks_for(e.n, e.states * e.d), count = blocks * chunks * e.sequences;
      const bool starts = c.initial.S.data && c.initial.position.data;
      launch(stream, scan_summary_kernel<M, R, X, Channels>, "scan_summary_kernel", count, scan_lane::threads, 0, x, e, chunks, length,
             starts ? c.initial.position.data : nullptr, starts ? c.initial.position.strides[0] : idx(0), products, states, blocks, count);
    }
    if (enters) {
      using Initial = std::remove_cvref_t<decltype(c.initial)>;
      launch(stream, scan_chain_kernel<M, R, X, Initial>, "scan_chain_kernel", (e.sequences * e.states * e.d * e.n + 255) / 256, 256, 0, x,
             e, chunks, length, c.initial, products, states, entered);
    }
    const idx blocks = scan_lane::blocks_for(e.n, e.readers * e.d), count = blocks * chunks * e.sequences;
    with_positions_apart(stream, x, e, c, [&](const Carry& own) {
      launch(stream, scan_kernel<M, R, X, Y, Carry, Channels>, "scan_kernel", count, scan_lane::threads, 0, x, e, chunks, length, y, own,
             entered, blocks, count);
    });
  }
};

}  // namespace coefdyn::cuda::small
