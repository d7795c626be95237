// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <utility>

#include "../../core/math.hpp"
#include "../loops.hpp"
#include "products.cuh"
#include "recording.cuh"

/// The loops of an NVIDIA GPU. All work is queued on the device's stream; nothing waits but `read`, the copies of an array, and a step's
/// memory where it grows. Sums are in a fixed order, so that results are the same bits from run to run on one model of GPU.
namespace coefdyn::nn {

namespace gpu {
/// 32 threads that work on one group of numbers.
struct warp {
  static constexpr unsigned all = 0xffffffffu;
  __device__ static idx first() { return threadIdx.x % 32; }
  __device__ static constexpr idx step() { return 32; }
  template <class X>
  __device__ X sum(X x) const {
    for (int other = 16; other > 0; other /= 2) x += __shfl_xor_sync(all, x, other);
    return x;
  }
  template <class X>
  __device__ X max(X x) const {
    for (int other = 16; other > 0; other /= 2) x = math::max(x, __shfl_xor_sync(all, x, other));
    return x;
  }
  __device__ void meet() const { __syncwarp(); }
};
/// The sum of one column, where a function of many adds to it.
template <class T>
struct one_sum {
  T x;
  __device__ T& operator[](idx) { return x; }
};
/// a / b of numbers that are not negative, by 32 bits where both have so few.
__device__ inline idx quotient(idx a, idx b) { return (a | b) >> 32 ? a / b : idx(unsigned(a) / unsigned(b)); }

/// Threads of a block.
constexpr int threads = 256;
/// Warps of a block.
constexpr int warps = threads / 32;
/// A thread for each element.
template <class F>
__global__ void __launch_bounds__(threads) elements_kernel(F f, idx rows, idx columns) {
  for (idx at = idx(blockIdx.x) * threads + threadIdx.x; at < rows * columns; at += idx(gridDim.x) * threads) {
    const idx i = quotient(at, columns), c = at - i * columns;
    f(i, c, c + 1);
  }
}
/// A warp for each group.
template <class F>
__global__ void __launch_bounds__(threads) groups_kernel(F f, idx rows, idx count) {
  for (idx at = idx(blockIdx.x) * warps + threadIdx.x / 32; at < rows * count; at += idx(gridDim.x) * warps) {
    const idx i = quotient(at, count);
    f(warp{}, i, at - i * count);
  }
}
/// A thread for each column of each part.
template <class T, class F>
__global__ void __launch_bounds__(threads) parts_kernel(F f, idx parts, idx columns, T* partial) {
  for (idx at = idx(blockIdx.x) * threads + threadIdx.x; at < parts * columns; at += idx(gridDim.x) * threads) {
    const idx part = quotient(at, columns), c = at - part * columns;
    one_sum<T> sum{T(0)};
    f(part, c, c + 1, sum);
    partial[at] = sum.x;
  }
}
/// A column's parts.
template <class T>
struct add_parts {
  const T* partial;
  idx parts, columns;
  T* total;
  __device__ void operator()(warp team, idx c, idx) const {
    T sum = T(0);
    for (idx p = team.first(); p < parts; p += team.step()) sum += partial[p * columns + c];
    sum = team.sum(sum);
    if (team.first() == 0) total[c] += sum;
  }
};
}  // namespace gpu

template <>
struct loops<device::cuda> {
  using step_memory_type = gpu::step_memory;
  using step_inputs_type = gpu::step_inputs;
  using recording = gpu::recording;
  using products = gpu::products;
  static constexpr bool is_host = false;
  static constexpr idx rows_together = 32;

  device::cuda on;

  /// A device with a stream of its own, which lives as long as what comes with it.
  static std::pair<device::cuda, std::shared_ptr<void>> own_device() {
    cudaStream_t stream = nullptr;
    coefdyn::cuda::checked(cudaStreamCreate(&stream), "cudaStreamCreate");
    return {{stream}, {stream, [](void* s) { cudaStreamDestroy(static_cast<cudaStream_t>(s)); }}};
  }
  memory::cuda space() const { return {on.stream}; }
  template <class F>
  void elements(idx rows, idx columns, const F& f, idx = 0) const {
    coefdyn::cuda::launch(on.stream, gpu::elements_kernel<F>, "elements", blocks(rows * columns, gpu::threads), gpu::threads, 0, f, rows,
                          columns);
  }
  template <class F>
  void groups(idx rows, idx count, const F& f, idx = 0) const {
    coefdyn::cuda::launch(on.stream, gpu::groups_kernel<F>, "groups", blocks(rows * count, gpu::warps), gpu::threads, 0, f, rows, count);
  }
  template <class T, class F>
  void sums(idx parts, idx columns, T* partial, T* total, const F& f) const {
    coefdyn::cuda::launch(on.stream, gpu::parts_kernel<T, F>, "sums", blocks(parts * columns, gpu::threads), gpu::threads, 0, f, parts,
                          columns, partial);
    groups(columns, 1, gpu::add_parts<T>{partial, parts, columns, total});
  }
  template <class T>
  void bring(const T* host, idx count, T* to) const {
    coefdyn::cuda::checked(cudaMemcpyAsync(to, host, sizeof(T) * std::size_t(count), cudaMemcpyHostToDevice, on.stream), "cudaMemcpyAsync");
  }
  template <class T>
  void read(const T* from, idx count, T* host) const {
    coefdyn::cuda::checked(cudaMemcpyAsync(host, from, sizeof(T) * std::size_t(count), cudaMemcpyDeviceToHost, on.stream),
                           "cudaMemcpyAsync");
    coefdyn::cuda::checked(cudaStreamSynchronize(on.stream), "cudaStreamSynchronize");
  }

 private:
  static idx blocks(idx items, idx each) { return (items + each - 1) / each; }
};

}  // namespace coefdyn::nn
