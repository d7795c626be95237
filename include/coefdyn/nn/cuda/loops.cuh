// SPDX-License-Identifier: MIT
#pragma once
#include <span>

#include "../../core/math.hpp"
#include "../../cuda/memory.cuh"
#include "../loops.hpp"
#include "products.cuh"

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

/// Pieces of blocks of device memory, all given back at once. `Clean`: they are 0 when they are taken.
template <bool Clean>
class pool {
 public:
  std::byte* take(std::size_t count, cudaStream_t stream) {
    count = (count + line - 1) / line * line;
    while (at_ < blocks_.size() && used_[at_] + count > blocks_[at_].size()) ++at_;
    if (at_ == blocks_.size()) {
      blocks_.emplace_back(std::max(count, least), memory::cuda{stream}), used_.push_back(0);  // zeros
    }
    std::byte* const p = blocks_[at_].data() + used_[at_];
    used_[at_] += count, taken_ += count;
    most_ = std::max(most_, taken_);
    return p;
  }
  void reset() {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      if (Clean && used_[i] > 0) blocks_[i].where().clear(blocks_[i].data(), used_[i]);
      used_[i] = 0;
    }
    at_ = taken_ = most_ = 0;
  }
  nn::step_memory::place here() const { return {at_, at_ < blocks_.size() ? used_[at_] : 0, taken_}; }
  void go_back(const nn::step_memory::place& p) {
    for (std::size_t i = p.at; i < blocks_.size(); ++i) {
      const std::size_t kept = i == p.at ? p.used : 0;
      if (Clean && used_[i] > kept) blocks_[i].where().clear(blocks_[i].data() + kept, used_[i] - kept);
      used_[i] = kept;
    }
    at_ = p.at, taken_ = p.taken;
  }
  std::size_t most() const { return most_; }

 private:
  static constexpr std::size_t line = 256, least = std::size_t(1) << 25;
  std::vector<buffer<std::byte, memory::cuda>> blocks_;
  std::vector<std::size_t> used_;
  std::size_t at_ = 0, taken_ = 0, most_ = 0;
};
/// step_memory of a GPU. All zeros of a step are written by one call for each block, when it begins.
class step_memory {
 public:
  explicit step_memory(const device::cuda& on) : stream_(on.stream), scratch_(0, memory::cuda{on.stream}) {}
  void* take(std::size_t count) { return plain_.take(count, stream_); }
  void* take_zeros(std::size_t count) { return zeros_.take(count, stream_); }
  std::byte* scratch(std::size_t count) {
    if (scratch_.size() < count) scratch_ = buffer<std::byte, memory::cuda>(count, memory::cuda{stream_});
    return scratch_.data();
  }
  void reset() { plain_.reset(), zeros_.reset(); }
  /// As the host's.
  struct place {
    nn::step_memory::place plain, zeros;
  };
  place here() const { return {plain_.here(), zeros_.here()}; }
  void go_back(const place& p) { plain_.go_back(p.plain), zeros_.go_back(p.zeros); }
  std::size_t most() const { return plain_.most() + zeros_.most(); }

 private:
  cudaStream_t stream_;
  pool<false> plain_;
  pool<true> zeros_;
  buffer<std::byte, memory::cuda> scratch_;
};
}  // namespace gpu

template <>
struct loops<device::cuda> {
  using step_memory_type = gpu::step_memory;
  using products = gpu::products;
  static constexpr bool is_host = false;
  static constexpr idx rows_together = 32;

  device::cuda on;

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
  const T* here(const T* host, idx count, gpu::step_memory& m) const {
    T* const to = static_cast<T*>(m.take(sizeof(T) * std::size_t(count)));
    coefdyn::cuda::checked(cudaMemcpyAsync(to, host, sizeof(T) * std::size_t(count), cudaMemcpyHostToDevice, on.stream), "cudaMemcpyAsync");
    return to;
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
