// SPDX-License-Identifier: MIT
// The same type on a GPU: the CPU's tokens with device pointers, forward and backward, and which kernel ran.
// Without a GPU it says so and exits with 77.
//
//   nvcc -std=c++20 -O2 -Iinclude -diag-suppress 20013,20015 -arch=native examples/08_cuda.cu -o 08_cuda && ./08_cuda
#include <cmath>
#include <coefdyn/coefdyn.hpp>
#include <coefdyn/cuda/backward.cuh>
#include <coefdyn/cuda/run.cuh>
#include <cstdio>
#include <random>
#include <vector>

using namespace coefdyn;
using M = mixers::simple_gla;

/// An array in device memory, freed with its owner.
template <class E>
struct device_array {
  E* data = nullptr;
  std::size_t count;
  explicit device_array(std::size_t count_) : count(count_) {
    cuda::checked(cudaMalloc(reinterpret_cast<void**>(&data), count * sizeof(E)), "cudaMalloc");
  }
  explicit device_array(const std::vector<E>& host) : device_array(host.size()) {
    cuda::checked(cudaMemcpy(data, host.data(), count * sizeof(E), cudaMemcpyHostToDevice), "cudaMemcpy");
  }
  device_array(const device_array&) = delete;
  ~device_array() { cudaFree(data); }
  std::vector<E> on_host() const {
    std::vector<E> host(count);
    cuda::checked(cudaMemcpy(host.data(), data, count * sizeof(E), cudaMemcpyDeviceToHost), "cudaMemcpy");
    return host;
  }
};

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = std::fmax(difference, std::abs(double(a[i]) - b[i]));
    largest = std::fmax(largest, std::abs(double(b[i])));
  }
  return difference / largest;
}

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("skipped: no GPU");
    return 77;
  }
  constexpr idx B = 2, T = 500, H = 4, n = 64, d = 64;
  std::mt19937 random(8);
  std::normal_distribution<float> normal;
  const auto numbers = [&](idx count) {
    std::vector<float> x(static_cast<std::size_t>(count));
    for (float& e : x) e = normal(random);
    return x;
  };
  const std::vector<float> q = numbers(B * T * H * n), k = numbers(B * T * H * n), v = numbers(B * T * H * d), dy = numbers(B * T * H * d);
  std::vector<float> log_decay = numbers(B * T * H), y(v.size()), dk(k.size());
  for (float& e : log_decay) e = -0.1f * std::abs(e);

  const auto streams = [&](const float* q_, const float* k_, const float* v_, const float* log_decay_) {
    tokens<M> x;
    x.q = view(q_, B, T, H, n), x.k = view(k_, B, T, H, n), x.v = view(v_, B, T, H, d);
    x.log_decay = view(log_decay_, B, T, H);
    return x;
  };
  // on the CPU, by definition
  const tokens<M> here = streams(q.data(), k.data(), v.data(), log_decay.data());
  gradients<M> g;
  g.k = view(dk.data(), B, T, H, n);
  run(device::cpu{}, form::definition{}, here, view(y.data(), B, T, H, d));
  backward(device::cpu{}, form::definition{}, here, view<const float, 4>(dy.data(), B, T, H, d), g);

  // on the GPU: calls are queued on the stream; streams of `bf16` take the kernels for Hopper
  const device_array<float> q_there(q), k_there(k), v_there(v), log_decay_there(log_decay), dy_there(dy);
  device_array<float> y_there(y.size()), dk_there(dk.size());
  const tokens<M> there = streams(q_there.data, k_there.data, v_there.data, log_decay_there.data);
  gradients<M> g_there;
  g_there.k = view(dk_there.data, B, T, H, n);
  const device::cuda on{};
  run(on, form::chunkwise{}, there, view(y_there.data, B, T, H, d));
  backward(on, form::chunkwise{}, there, view<const float, 4>(dy_there.data, B, T, H, d), g_there);

  const double y_error = largest_difference(y_there.on_host(), y), dk_error = largest_difference(dk_there.on_host(), dk);
  std::printf("ran %s\ny differs from the definition on the CPU by %.1e of its largest element, dk by %.1e\n",
              chosen_kernel(on, form::chunkwise{}, there).c_str(), y_error, dk_error);
  return y_error < 1e-4 && dk_error < 1e-4 ? 0 : 1;
}
