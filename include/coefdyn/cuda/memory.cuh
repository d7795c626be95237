// SPDX-License-Identifier: MIT
#pragma once
#include "../core/buffer.hpp"
#include "device.cuh"

/// A GPU's memory as a space, so that what a generation keeps has the types that it has on the host.
///
/// ```cuda statements with device
/// const memory::cuda there{stream};
/// state<M, float, memory::cuda> s(1, 4, 64, 64, there);         // sequences, heads, n, d
/// history<M, float, memory::cuda> past(4);
/// past.keep(s);                                                 // queued on the stream, as the step is
/// run(device::cuda{stream}, form::step{}, x, y, carry<M>{s, s});
/// past.roll_back(1, s);
/// const state<M> seen(s);                                       // on the host: this waits
/// ```
namespace coefdyn {

namespace cuda {
template <class From, class To>
__global__ void copy_view(const __grid_constant__ From from, const __grid_constant__ To to) {
  for (idx i = idx(blockIdx.x) * blockDim.x + threadIdx.x; i < from.size(); i += idx(gridDim.x) * blockDim.x) {
    idx rest = i, a = 0, b = 0;
    for (int k = From::rank - 1; k >= 0; --k) {
      a += rest % from.extents[k] * from.strides[k], b += rest % from.extents[k] * to.strides[k];
      rest /= from.extents[k];
    }
    to.data[b] = from.data[a];
  }
}
/// Queues a copy between views of the same extents.
template <class From, class To>
void copy(cudaStream_t stream, const From& from, const To& to) {
  launch(stream, copy_view<From, To>, "copy_view", (to.size() + 255) / 256, 256, 0, from, to);
}
}  // namespace cuda

namespace memory {
/// Memory of the current GPU, in the order of a stream: allocation, copies and release are queued on it, as the calls are that take
/// device::cuda{stream}. What comes back to the host is waited for.
struct cuda {
  static constexpr bool on_host = false, host_reaches = false;
  cudaStream_t stream = nullptr;

  /// error   cuda_error
  void* allocate(std::size_t bytes) const {
    void* p = nullptr;
    coefdyn::cuda::checked(cudaMallocAsync(&p, bytes, stream), "cudaMallocAsync");
    return p;
  }
  void release(void* p) const { cudaFreeAsync(p, stream); }
  void clear(void* p, std::size_t bytes) const { coefdyn::cuda::checked(cudaMemsetAsync(p, 0, bytes, stream), "cudaMemsetAsync"); }
  void copy(void* to, const void* from, std::size_t bytes) const { queue(to, from, bytes, cudaMemcpyDeviceToDevice); }
  void bring(void* to, const void* from_host, std::size_t bytes) const {
    queue(to, from_host, bytes, cudaMemcpyHostToDevice);
    wait();  // the host's numbers may go away
  }
  void fetch(void* to_host, const void* from, std::size_t bytes) const {
    queue(to_host, from, bytes, cudaMemcpyDeviceToHost);
    wait();
  }
  /// Element by element between views of any strides and the same extents, which share no element.
  template <class T, int Rank>
  void copy(const view<T, Rank>& to, const view<const T, Rank>& from) const {
    coefdyn::cuda::copy(stream, from, to);
  }

 private:
  void queue(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) const {
    coefdyn::cuda::checked(cudaMemcpyAsync(to, from, bytes, kind, stream), "cudaMemcpyAsync");
  }
  void wait() const { coefdyn::cuda::checked(cudaStreamSynchronize(stream), "cudaStreamSynchronize"); }
};
}  // namespace memory

template <>
struct memory_of_device<device::cuda> {
  using type = memory::cuda;
};

}  // namespace coefdyn
