// SPDX-License-Identifier: MIT
#pragma once
#include "engine/frame.cuh"

/// Tables that a call has on the host (offsets of packed sequences, positions of captured states): they reach the device as arguments of a
/// small kernel.
namespace coefdyn::cuda::generic {

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
template <class M, class Types>
carry_view<M, Types> view_of(const carried<M, Types>& c) {
  return {c.initial, c.final, c.captured, nullptr, int(c.positions.size())};
}
/// The call with its tables on the device; over no memory they are counted only.
template <class M, class X, class Types>
void place_tables(const device::cuda& on, X& x, const carried<M, Types>& c, carry_view<M, Types>& out, memory& a) {
  idx* const offsets = x.cu_seqlens && on.trusted <= 0 ? a.take<idx>(x.cu_seqlens.count) : nullptr;
  idx* const positions = a.take<idx>(out.captures);
  if (!a.slow) return;
  if (offsets) {
    const sequence_offsets host = x.cu_seqlens;
    upload(on.stream, offsets, host.count, [&](idx i) { return host[i]; });
    x.cu_seqlens.offsets32 = nullptr, x.cu_seqlens.offsets64 = offsets;
  }
  upload(on.stream, positions, out.captures, [&](idx i) { return c.positions[std::size_t(i)]; });
  out.positions = positions;
}

/// Tokens and carry of a call with their tables in the first `bytes` of its workspace.
template <class X>
struct placed_tables {
  using Types = typename X::types_type;
  X x;
  carry_view<typename X::mixer_type, Types> c;
  idx bytes;
  placed_tables(const device::cuda& on, const X& x_, const carried<typename X::mixer_type, Types>& carry, std::byte* ws)
      : x(x_), c(view_of(carry)) {
    memory a{nullptr, ws};
    place_tables(on, x, carry, c, a);
    bytes = a.slow_used;
  }
};

}  // namespace coefdyn::cuda::generic
