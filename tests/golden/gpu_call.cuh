// SPDX-License-Identifier: MIT
#pragma once
#include <vector>

#include "coefdyn/cuda/memory.cuh"
#include "unit.hpp"

namespace golden {

/// A call whose arrays are copied to the GPU, gaps and spoilt outputs included; arrays of one address stay one, a state in place.
class gpu_call {
  std::vector<named_array> inputs, gradients;

 public:
  call c;

  explicit gpu_call(const call& host)
      : inputs(host.inputs.begin(), host.inputs.end()),
        gradients(host.gradients.begin(), host.gradients.end()),
        c(host),
        memory(coefdyn::without_values{}, total()) {
    std::byte* next = memory.data();
    each([&](array& a, bool written) {
      if (!a.data) return;
      piece* p = nullptr;
      for (piece& known : pieces)
        if (known.host == a.data && known.bytes == size(a)) p = &known;
      if (!p) {
        p = &pieces.emplace_back(piece{a.data, next, size(a), false});
        next += room(a);
        coefdyn::cuda::checked(cudaMemcpy(p->device, p->host, p->bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
      }
      p->written = p->written || written;
      a.data = p->device;
    });
    c.inputs = inputs, c.gradients = gradients;
  }
  gpu_call(const gpu_call&) = delete;
  gpu_call& operator=(const gpu_call&) = delete;

  /// Waits, and gives the outputs to the host.
  void copy_back() {
    coefdyn::cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    for (const piece& p : pieces)
      if (p.written) coefdyn::cuda::checked(cudaMemcpy(p.host, p.device, p.bytes, cudaMemcpyDeviceToHost), "cudaMemcpy");
  }

 private:
  struct piece {
    void* host;
    std::byte* device;
    std::size_t bytes;
    bool written;
  };
  coefdyn::buffer<std::byte, coefdyn::memory::cuda> memory;
  std::vector<piece> pieces;

  /// Bytes from the first element to the end of the last.
  static std::size_t size(const array& a) {
    idx elements = 1;
    for (int i = 0; i < a.rank; ++i) {
      if (a.extents[i] == 0) return 0;
      elements += (a.extents[i] - 1) * a.strides[i];
    }
    return static_cast<std::size_t>(elements * a.bytes);
  }
  static std::size_t room(const array& a) { return (size(a) + 255) / 256 * 256; }
  std::size_t total() {
    std::size_t sum = 0;
    each([&](const array& a, bool) { sum += room(a); });
    return sum;
  }
  /// Every array, and whether the library writes it; y of a backward call is dy, which comes back as it went.
  template <class F>
  void each(F f) {
    for (named_array& a : inputs) f(a.values, false);
    for (named_array& a : gradients) f(a.values, true);
    f(c.y, true);
    const auto state = [&](state_arrays& s, bool written) { f(s.S, written), f(s.z, written), f(s.m, written), f(s.position, written); };
    state(c.initial, false), state(c.final, true), state(c.final_gradient, false), state(c.initial_gradient, true);
  }
};

}  // namespace golden
