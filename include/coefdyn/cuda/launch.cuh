// SPDX-License-Identifier: MIT
#pragma once
#include "chunkwise.cuh"
#include "definition.cuh"
#include "parallel.cuh"

/// One forward(form, ...) for each form: which kernels, with what workspace. Tables that a call has on the host (offsets of
/// packed sequences, positions of captured states) reach the device as arguments of a small kernel.
namespace coefdyn::cuda {

/// Memory that lives on a stream.
struct stream_memory {
  cudaStream_t stream;
  std::byte* data = nullptr;
  stream_memory(cudaStream_t s, std::size_t bytes) : stream(s) {
    checked(cudaMallocAsync(reinterpret_cast<void**>(&data), bytes ? bytes : 16, stream), "cudaMallocAsync");
  }
  ~stream_memory() { cudaFreeAsync(data, stream); }
  stream_memory(const stream_memory&) = delete;
};

/// Calls f with the form that runs: automatic, step, and what a size or a map without structure rules out, by (mixer, n, d, T).
template <class M, class Form, class F>
decltype(auto) with_form(Form form_, const extents& e, idx longest, F f) {
  using T = traits<M>;
  constexpr bool chunks = T::linear && T::structured;
  const bool wide = e.n > generic::widest_chunkwise || e.d > generic::widest_chunkwise;
  if constexpr (std::is_same_v<Form, form::automatic>) {
    if constexpr (chunks) {
      if (longest >= generic::shortest_chunkwise && !wide) return f(form::chunkwise{});
    }
    if constexpr (T::linear) return f(form::recurrent{});
    else if constexpr (T::structured) return f(form::parallel{});
    else return f(form::definition{});
  } else if constexpr (std::is_same_v<Form, form::step>) {
    if constexpr (T::linear) return f(form::recurrent{});
    else if constexpr (T::structured) return f(form::parallel{});
    else return f(form::definition{});
  } else if constexpr (std::is_same_v<Form, form::chunkwise>) {
    if constexpr (chunks) {
      if (!wide) return f(form_);
    }
    return f(form::recurrent{});
  } else {
    return f(form_);
  }
}

namespace generic {

struct table_piece {
  static constexpr int size = 448;
  idx value[size];
};
static __global__ void put_table(const __grid_constant__ table_piece piece, idx* out, int count) {
  if (int(threadIdx.x) < count) out[threadIdx.x] = piece.value[threadIdx.x];
}
template <class At>
void upload(cudaStream_t stream, idx* out, idx count, At at) {
  for (idx first = 0; first < count; first += table_piece::size) {
    table_piece piece;
    const int some = int(count - first < table_piece::size ? count - first : table_piece::size);
    for (int i = 0; i < table_piece::size; ++i) piece.value[i] = i < some ? at(first + i) : 0;
    launch(stream, put_table, "put_table", 1, table_piece::size, 0, piece, out + first, some);
  }
}
template <class X, class C>
std::size_t table_bytes(const X& x, const C& c, idx trusted) {
  memory a;
  if (x.cu_seqlens && trusted <= 0) a.take<idx>(x.cu_seqlens.count);
  a.take<idx>(idx(c.positions.size()));
  return std::size_t(a.slow_used);
}

template <class M, class R, class X, class Form>
struct forward_plan;
template <class M, class R, class X>
struct forward_plan<M, R, X, form::definition> : definition_plan<M, R, X> {
  forward_plan(form::definition, const extents& e, idx longest) : definition_plan<M, R, X>(e, longest) {}
};
template <class M, class R, class X>
struct forward_plan<M, R, X, form::recurrent> : recurrent_plan<M, R, X> {
  forward_plan(form::recurrent, const extents& e, idx longest) : recurrent_plan<M, R, X>(e, longest) {}
};

template <class M, class R, class X>
struct forward_plan<M, R, X, form::chunkwise> : chunkwise_plan<M, R, X> {
  forward_plan(form::chunkwise f, const extents& e, idx longest) : chunkwise_plan<M, R, X>(f.length, e, longest) {}
};

template <class M, class R, class X>
struct forward_plan<M, R, X, form::parallel> : parallel_plan<M, R, X> {
  forward_plan(form::parallel, const extents& e, idx longest) : parallel_plan<M, R, X>(e, longest) {}
};

template <class M, class R, class X, class Form>
idx forward_bytes(Form f, const X&, const extents& e, idx longest) {
  return forward_plan<M, R, X, Form>(f, e, longest).bytes();
}
template <class M, class Types>
carry_view<M, Types> view_of(const carried<M, Types>& c) {
  return {c.initial, c.final, c.captured, nullptr, int(c.positions.size())};
}
/// The call with its tables on the device, and what is left of the workspace.
template <class M, class X, class Types>
std::byte* place_tables(const device::cuda& on, X& x, const carried<M, Types>& c, carry_view<M, Types>& out, std::byte* ws) {
  memory a{nullptr, ws};
  if (x.cu_seqlens && on.trusted <= 0) {
    idx* offsets = a.take<idx>(x.cu_seqlens.count);
    const sequence_offsets host = x.cu_seqlens;
    upload(on.stream, offsets, host.count, [&](idx i) { return host[i]; });
    x.cu_seqlens.narrow = nullptr, x.cu_seqlens.wide = offsets;
  }
  idx* positions = a.take<idx>(out.captures);
  upload(on.stream, positions, out.captures, [&](idx i) { return c.positions[std::size_t(i)]; });
  out.positions = positions;
  return ws + a.slow_used;
}

template <class M, class R, class Form, class X, class Y, class Types>
void forward(const device::cuda& on, Form f, const X& x, const extents& e, idx longest, const Y& y, const carried<M, Types>& c,
             std::byte* ws) {
  X moved = x;
  carry_view<M, Types> carry = view_of(c);
  std::byte* rest = place_tables(on, moved, c, carry, ws);
  forward_plan<M, R, X, Form>(f, e, longest).run(on.stream, moved, e, longest, y, carry, rest);
}

template <class M, class R, class Form>
std::string kernel_name(Form f, const extents& e) {
  if constexpr (std::is_same_v<Form, form::definition>) return "definition, generic";
  else if constexpr (std::is_same_v<Form, form::chunkwise>)
    return "chunkwise, generic, chunks of " + std::to_string(f.length > 0 ? f.length : tuning_for<M, R>(e.n, e.d).chunk);
  else if constexpr (std::is_same_v<Form, form::parallel>)
    return "parallel, generic, tiles of " + std::to_string(tuning_for<M, R>(e.n, e.d).chunk);
  else return "recurrent, generic";
}

}  // namespace generic
}  // namespace coefdyn::cuda
