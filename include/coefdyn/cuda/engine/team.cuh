// SPDX-License-Identifier: MIT
#pragma once
#include "../../core/complex.hpp"
#include "../device.cuh"

/// The threads of one block working as a team: loops over items, and memory that is shared while it lasts.
namespace coefdyn::cuda::generic {

/// Pieces of two blocks of memory: `fast` (shared) until a piece does not fit, then `slow` (the block's part of the workspace).
/// Over null pointers it only counts, with the same decisions.
struct memory {
  std::byte *fast = nullptr, *slow = nullptr;
  idx fast_size = 0, fast_used = 0, slow_used = 0;

  template <class T>
  COEFDYN_HD T* take(idx count) {
    const idx bytes = (idx(sizeof(T)) * (count > 0 ? count : 0) + 15) / 16 * 16;
    const bool fits = fast_used + bytes <= fast_size;
    std::byte* const base = fits ? fast : slow;
    T* p = base ? reinterpret_cast<T*>(base + (fits ? fast_used : slow_used)) : nullptr;
    fast_used += fits ? bytes : 0, slow_used += fits ? 0 : bytes;
    return p;
  }
  /// A piece that lives in the workspace whatever its size.
  template <class T>
  COEFDYN_HD T* take_slow(idx count) {
    T* p = slow ? reinterpret_cast<T*>(slow + slow_used) : nullptr;
    slow_used += (idx(sizeof(T)) * (count > 0 ? count : 0) + 15) / 16 * 16;
    return p;
  }
};
/// Shared memory that a kernel of this library takes at most: three quarters of an sm_80's, so that all have it.
constexpr idx shared_limit = 96 * 1024;

template <class F>
__device__ __forceinline__ void each(int count, F f) {
  for (int i = int(threadIdx.x); i < count; i += int(blockDim.x)) f(i);
  __syncthreads();
}
/// The same without waiting for the others.
template <class F>
__device__ __forceinline__ void each_unsynced(int count, F f) {
  for (int i = int(threadIdx.x); i < count; i += int(blockDim.x)) f(i);
}
/// f(r, c) for r < rows, c < columns: warps take rows, lanes columns; of narrow rows a warp takes two or four.
template <class F>
__device__ __forceinline__ void each2_unsynced(int rows, int columns, F f) {
  const int shift = columns > 16 ? 5 : columns > 8 ? 4 : 3, across = 1 << shift;
  for (int r = int(threadIdx.x) >> shift; r < rows; r += int(blockDim.x) >> shift)
    for (int c = int(threadIdx.x) & (across - 1); c < columns; c += across) f(r, c);
}
template <class F>
__device__ __forceinline__ void each2(int rows, int columns, F f) {
  each2_unsynced(rows, columns, f);
  __syncthreads();
}
template <class T>
__device__ void clear(T* p, int count) {
  each(count, [&](int i) { p[i] = T{}; });
}
/// Sums over groups of 8, 16 or 32 lanes, in all of them.
template <class R>
__device__ R warp_sum(R x, int across = 32) {
  if (across > 16) x += __shfl_xor_sync(~0u, x, 16);
  if (across > 8) x += __shfl_xor_sync(~0u, x, 8);
  for (int lane = 4; lane > 0; lane /= 2) x += __shfl_xor_sync(~0u, x, lane);
  return x;
}
template <class R>
__device__ complex<R> warp_sum(complex<R> x, int across = 32) {
  return {warp_sum(x.re, across), warp_sum(x.im, across)};
}
/// out(i, sum over k < length of term(i, k)): a warp has an item, or two or four short ones, in a fixed order.
template <class Term, class Out>
__device__ __forceinline__ void each_sum(int count, int length, Term term, Out out) {
  using R = std::remove_cvref_t<decltype(term(0, 0))>;
  const int shift = length > 16 ? 5 : length > 8 ? 4 : 3, across = 1 << shift;
  const int lane = int(threadIdx.x) % 32, first = lane & (across - 1);
  for (int i0 = int(threadIdx.x) / 32 * (32 >> shift); i0 < count; i0 += int(blockDim.x) >> shift) {
    const int i = i0 + (lane >> shift);
    R sum{};
    if (i < count)
      for (int k = first; k < length; k += across) sum += term(i, k);
    sum = warp_sum(sum, across);
    if (first == 0 && i < count) out(i, sum);
  }
  __syncthreads();
}
/// Largest value over the team, in every thread.
template <class R>
__device__ R team_max(R x) {
  __shared__ R part[32];
  for (int lane = 16; lane > 0; lane /= 2) {
    const R other = __shfl_xor_sync(~0u, x, lane);
    x = x < other ? other : x;
  }
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x;
  __syncthreads();
  x = part[0];
  for (unsigned w = 1; w < blockDim.x / 32; ++w) x = x < part[w] ? part[w] : x;
  __syncthreads();
  return x;
}
/// Blocks of a kernel: all items at once unless their pieces of workspace would take more than half a gigabyte; then two for
/// each multiprocessor of an H100, and fewer where even those would take more than sixteen.
inline idx blocks_for(idx items, idx bytes_each) {
  constexpr idx budget = idx(1) << 29, limit = idx(1) << 34, few = 264;
  if (bytes_each <= 0) return items;
  const idx most = limit / bytes_each > 0 ? limit / bytes_each : 1;
  const idx wanted = budget / bytes_each > few ? budget / bytes_each : few;
  const idx blocks = wanted < most ? wanted : most;
  return items < blocks ? items : blocks;
}
/// Items of a kernel, in strides of the grid.
template <class F>
__device__ __forceinline__ void each_item(idx count, F f) {
  for (idx item = blockIdx.x; item < count; item += gridDim.x) {
    f(item);
    __syncthreads();
  }
}

}  // namespace coefdyn::cuda::generic
