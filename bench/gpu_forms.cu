// SPDX-License-Identifier: MIT
// Times the generic engine, form by form: one JSON line for each mixer, form and pass.
//   gpu_forms [B T H n d]        shape A is 4 8192 16 128 128
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "coefdyn/coefdyn.hpp"
#include "coefdyn/cuda/backward.cuh"

using namespace coefdyn;
namespace {

struct shape {
  idx B = 4, T = 8192, H = 16, n = 128, d = 128;
};
__global__ void fill(float* p, idx count, float low, float high) {
  for (idx i = idx(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += idx(gridDim.x) * blockDim.x) {
    unsigned h = unsigned(i) * 2654435761u + 12345u;
    h ^= h >> 15, h *= 2246822519u, h ^= h >> 13;
    p[i] = low + (high - low) * float(h >> 8) / 16777216.f;
  }
}
__global__ void fill(bf16* p, idx count, float low, float high) {
  for (idx i = idx(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += idx(gridDim.x) * blockDim.x) {
    unsigned h = unsigned(i) * 2654435761u + 54321u;
    h ^= h >> 15, h *= 2246822519u, h ^= h >> 13;
    p[i] = bf16(low + (high - low) * float(h >> 8) / 16777216.f);
  }
}

template <class M>
struct bench {
  using X = tokens<M, types<bf16, float>>;
  using T = typename X::types_type;
  shape s;
  extents e;
  X x;
  gradients<M, types<bf16, float>> g;
  std::vector<void*> memory;
  template <class P>
  P* take(idx count) {
    P* p = nullptr;
    cuda::checked(cudaMalloc(reinterpret_cast<void**>(&p), sizeof(P) * std::size_t(count)), "cudaMalloc");
    memory.push_back(p);
    return p;
  }
  ~bench() {
    for (void* p : memory) cudaFree(p);
  }
  template <class... Need>
  void bind(list<Need...>) {
    (
        [&] {
          using E = coefdyn::detail::stored_as<Need, T>;
          using Tag = typename Need::tag;
          auto& v = const_cast<stream_view<Need, const E>&>(x.template of<Need>());
          auto& w = const_cast<stream_view<Need, E>&>(g.template of<Need>());
          idx want[5] = {}, step = 1;
          coefdyn::detail::expected_shape<Need, M>(e, want);
          for (int a = Need::rank - 1; a >= 0; --a)
            v.extents[a] = w.extents[a] = want[a], v.strides[a] = w.strides[a] = step, step *= want[a];
          E* p = take<E>(step);
          const float k = 1.7f / std::sqrt(float(s.n));
          if (std::is_same_v<Tag, stream::log_decay>) fill<<<1024, 256>>>(p, step, -0.2f, -0.001f);
          else if (std::is_same_v<Tag, stream::beta> || std::is_same_v<Tag, stream::delta>) fill<<<1024, 256>>>(p, step, 0.f, 1.f);
          else if (std::is_same_v<Tag, stream::v>) fill<<<1024, 256>>>(p, step, -1.f, 1.f);
          else if (std::is_same_v<Tag, stream::a>) fill<<<1024, 256>>>(p, step, -0.3f * k, 0.3f * k);
          else fill<<<1024, 256>>>(p, step, -k, k);
          v.data = p;
          w.data = take<E>(step);
        }(),
        ...);
  }
  explicit bench(const shape& s_) : s(s_) {
    e.batch = e.sequences = s.B, e.time = s.T, e.n = int(s.n), e.d = int(s.d), e.queries = e.keys = e.states = e.readers = int(s.H);
    bind(typename X::needs{});
  }
  template <class F>
  double median(int repeats, F f) {
    std::vector<float> times;
    cudaEvent_t begin, end;
    cudaEventCreate(&begin), cudaEventCreate(&end);
    f();
    for (int k = 0; k < repeats; ++k) {
      cudaEventRecord(begin);
      f();
      cudaEventRecord(end);
      cuda::checked(cudaEventSynchronize(end), "cudaEventSynchronize");
      float ms = 0;
      cudaEventElapsedTime(&ms, begin, end);
      times.push_back(ms);
    }
    cudaEventDestroy(begin), cudaEventDestroy(end);
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }
  template <class Form>
  void line(const char* name, Form f, bool gradients_too) {
    if constexpr (form_exists<Form, M>) {
      bf16* y = take<bf16>(s.B * s.T * s.H * s.d);
      const view<bf16, 4> out(y, s.B, s.T, s.H, s.d);
      const view<const bf16, 4> dy(static_cast<const bf16*>(y), s.B, s.T, s.H, s.d);
      const std::size_t bytes =
          std::max(workspace_bytes(device::cuda{}, f, x), gradients_too ? backward_workspace_bytes(device::cuda{}, f, x) : 0);
      const workspace ws(take<std::byte>(idx(bytes) + 16), bytes);
      const double forward = median(3, [&] { run(device::cuda{}, f, x, out, carry<M, types<bf16, float>>{}, ws); });
      double back = 0;
      if (gradients_too)
        back = median(1, [&] {
          backward(device::cuda{}, f, x, dy, g, carry<M, types<bf16, float>>{}, state_gradients<M, types<bf16, float>>{}, ws);
        });
      std::printf(
          "{\"mixer\": \"%s\", \"kernel\": \"%s\", \"types\": \"bf16/f32\", \"shape\": [%lld, %lld, %lld, %lld, %lld], \"forward_ms\": "
          "%.3f, \"backward_ms\": %.3f, \"workspace_mb\": %.0f}\n",
          name, chosen_kernel(device::cuda{}, f, x).c_str(), (long long)s.B, (long long)s.T, (long long)s.H, (long long)s.n, (long long)s.d,
          forward, back, double(bytes) / 1e6);
      std::fflush(stdout);
    }
  }
};

}  // namespace

int main(int count, char** a) {
  shape s;
  if (count > 5) s = {std::atoll(a[1]), std::atoll(a[2]), std::atoll(a[3]), std::atoll(a[4]), std::atoll(a[5])};
  namespace r = readout;
  namespace ev = evolution;
  namespace sc = scaling;
  namespace no = normalization;
  bench<mixer<r::linear, ev::scalar, sc::one, no::one>>(s).line("scalar", form::chunkwise{}, true);
  bench<mixer<r::linear, ev::diagonal, sc::one, no::sqrt_dim>>(s).line("gla", form::chunkwise{}, true);
  bench<mixer<r::linear, ev::gated_householder<>, sc::beta, no::sqrt_dim>>(s).line("gated deltanet", form::chunkwise{}, true);
  bench<mixer<r::linear, ev::diagonal_householder<>, sc::beta, no::sqrt_dim>>(s).line("kda", form::chunkwise{}, true);
  bench<mixer<r::linear, ev::diagonal_plus_rank_one, sc::one, no::one>>(s).line("rwkv-7", form::chunkwise{}, true);
  bench<mixer<r::linear, ev::gated_householder<>, sc::beta, no::sqrt_dim>>({64, 1, s.H, s.n, s.d})
      .line("gated deltanet", form::step{}, false);
  bench<mixer<r::linear, ev::gated_householder<>, sc::beta, no::sqrt_dim>>({s.B, s.T / 8, s.H, s.n, s.d})
      .line("gated deltanet", form::recurrent{}, false);
  bench<mixer<r::exponential, ev::identity, sc::inverse_sqrt_dim, no::sum>>({s.B, s.T / 4, s.H, s.n, s.d})
      .line("softmax", form::parallel{}, false);
  bench<mixer<r::exponential, ev::householder<ev::along::z>, sc::inverse_sqrt_dim, no::sum>>({s.B, s.T / 4, s.H, s.n, s.d})
      .line("path", form::parallel{}, false);
}
