// SPDX-License-Identifier: MIT
// Times the kernels for a few tokens and for states of one column, beside the generic ones: one JSON line a call. Median over batches of
// calls by events, three sets of inputs and states in turn; states in place. The floor is the bytes that have to cross memory at 3.0 TB/s.
//   gpu_step [step] [scan]       both without arguments
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "coefdyn/coefdyn.hpp"
#include "coefdyn/cuda/launch.cuh"
#include "coefdyn/cuda/small/scan.cuh"
#include "coefdyn/cuda/small/step.cuh"

using namespace coefdyn;
namespace {

struct shape {
  idx B = 64, T = 1, H = 16, n = 128, d = 128;
};
template <class E>
__global__ void fill(E* p, idx count, float low, float high) {
  for (idx i = idx(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += idx(gridDim.x) * blockDim.x) {
    unsigned h = unsigned(i) * 2654435761u + 12345u;
    h ^= h >> 15, h *= 2246822519u, h ^= h >> 13;
    const float x = low + (high - low) * float(h >> 8) / 16777216.f;
    if constexpr (is_complex<E>) {
      using Part = decltype(p[i].re);
      p[i] = {Part(x), Part(-0.5f * x)};
    } else {
      p[i] = E(x);
    }
  }
}

constexpr int sets = 3;
template <class M, field Over = field::real>
struct bench {
  using Types = types<bf16, float>;
  using X = tokens<M, Types, heads::grouped_queries, Over>;
  using E = state_element<M, float>;
  using Carry = cuda::generic::carry_view<M, Types>;
  shape s;
  extents e;
  X x[sets];
  E* S[sets];
  bf16* y[sets];
  bool with_state;
  double bytes = 0;
  std::vector<void*> memory;

  template <class P>
  P* take(idx count) {
    P* p = nullptr;
    cuda::checked(cudaMalloc(reinterpret_cast<void**>(&p), sizeof(P) * std::size_t(count) + 16), "cudaMalloc");
    memory.push_back(p);
    return p;
  }
  ~bench() {
    for (void* p : memory) cudaFree(p);
  }
  template <class... Need>
  void bind(X& to, list<Need...>) {
    (
        [&] {
          using P = coefdyn::detail::stored_as<Need, Types>;
          using Tag = typename Need::tag;
          auto& v = const_cast<stream_view<Need, const P>&>(to.template of<Need>());
          idx want[5] = {}, count = 1;
          coefdyn::detail::expected_shape<Need, M>(e, want);
          for (int a = Need::rank - 1; a >= 0; --a) v.extents[a] = want[a], v.strides[a] = count, count *= want[a];
          P* p = take<P>(count);
          const float k = 1.7f / std::sqrt(float(s.n));
          if (std::is_same_v<Tag, stream::log_decay>) fill<<<1024, 256>>>(p, count, -0.2f, -0.001f);
          else if (std::is_same_v<Tag, stream::beta> || std::is_same_v<Tag, stream::delta>) fill<<<1024, 256>>>(p, count, 0.f, 1.f);
          else if (std::is_same_v<Tag, stream::v>) fill<<<1024, 256>>>(p, count, -1.f, 1.f);
          else if (std::is_same_v<Tag, stream::a>) fill<<<1024, 256>>>(p, count, -0.3f * k, 0.3f * k);
          else fill<<<1024, 256>>>(p, count, -k, k);
          v.data = p;
          bytes += double(count) * sizeof(P) / sets;
        }(),
        ...);
  }
  bench(const shape& s_, bool with_state_) : s(s_), with_state(with_state_) {
    e.batch = e.sequences = s.B, e.time = s.T, e.n = int(s.n), e.d = int(s.d), e.queries = e.keys = e.states = e.readers = int(s.H);
    for (int i = 0; i < sets; ++i) {
      bind(x[i], typename X::needs{});
      const idx outputs = s.B * s.T * s.H * s.d, elements = s.B * s.H * s.n * s.d;
      y[i] = take<bf16>(outputs);
      bytes += double(outputs) * sizeof(bf16) / sets;
      S[i] = nullptr;
      if (!with_state) continue;
      S[i] = take<E>(elements);
      fill<<<1024, 256>>>(S[i], elements, -1.f, 1.f);
      bytes += 2.0 * double(elements) * sizeof(E) / sets;
    }
    cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }
  template <class Plan>
  void line(const char* name, const char* kernel, const Plan& plan) {
    std::byte* ws = take<std::byte>(plan.bytes());
    const auto call = [&](int i) {
      Carry c;
      if (with_state) c.initial.S = view<const E, 4>(S[i], s.B, s.H, s.n, s.d), c.final.S = view<E, 4>(S[i], s.B, s.H, s.n, s.d);
      plan.run(nullptr, x[i], view<bf16, 4>(y[i], s.B, s.T, s.H, s.d), c, ws, nullptr);
    };
    constexpr int batches = 15, rounds = 4;
    std::vector<float> times;
    cudaEvent_t begin, end;
    cudaEventCreate(&begin), cudaEventCreate(&end);
    for (int k = -2; k < batches; ++k) {
      cudaEventRecord(begin);
      for (int i = 0; i < rounds * sets; ++i) call(i % sets);
      cudaEventRecord(end);
      cuda::checked(cudaEventSynchronize(end), "cudaEventSynchronize");
      float ms = 0;
      cudaEventElapsedTime(&ms, begin, end);
      if (k >= 0) times.push_back(ms / (rounds * sets));
    }
    cudaEventDestroy(begin), cudaEventDestroy(end);
    std::sort(times.begin(), times.end());
    const double ms = times[times.size() / 2], floor_ms = bytes / 3.0e12 * 1e3;
    std::printf(
        "{\"mixer\": \"%s\", \"kernel\": \"%s\", \"types\": \"bf16/f32\", \"shape\": [%lld, %lld, %lld, %lld, %lld], \"ms\": %.4f, "
        "\"floor_ms\": %.4f, \"share\": %.3f}\n",
        name, kernel, (long long)s.B, (long long)s.T, (long long)s.H, (long long)s.n, (long long)s.d, ms, floor_ms, floor_ms / ms);
    std::fflush(stdout);
  }
};

template <class M>
void time_step(const char* name) {
  for (const idx T : {idx(1), idx(4)}) {
    bench<M> b({64, T, 16, 128, 128}, true);
    using X = typename bench<M>::X;
    const cuda::small::step_plan<M, float, X> step(form::step{}, b.x[0], b.e, T);
    if (step.fits()) b.line(name, "step", step);
    if (T == 1) b.line(name, "recurrent", cuda::generic::recurrent_plan<M, float, X>(form::step{}, b.x[0], b.e, T));
  }
}
template <class M, field Over>
void time_scan(const char* name, const shape& s) {
  bench<M, Over> b(s, false);
  using X = typename bench<M, Over>::X;
  const cuda::small::scan_plan<M, float, X> scan(form::chunkwise{}, b.x[0], b.e, s.T);
  if (scan.fits()) b.line(name, "scan", scan);
  if (s.H < 64) b.line(name, "chunkwise", cuda::generic::chunkwise_plan<M, float, X>(form::chunkwise{}, b.x[0], b.e, s.T));
}

}  // namespace

int main(int count, char** a) {
  const auto wanted = [&](const char* what) {
    bool any = count < 2;
    for (int i = 1; i < count; ++i) any = any || !std::strcmp(a[i], what);
    return any;
  };
  if (wanted("step")) {
    time_step<mixers::gated_deltanet>("gated deltanet");
    time_step<mixers::mamba2>("mamba-2");
    time_step<mixers::gla>("gla");
    time_step<mixers::rwkv7>("rwkv-7");
    time_step<mixers::kda>("kda");
  }
  if (wanted("scan")) {
    for (const idx H : {idx(1), idx(16), idx(256)}) {
      time_scan<mixers::s4d_real, field::real>("s4d real", {4, 8192, H, 64, 1});
      time_scan<mixers::lru, field::complex>("lru", {4, 8192, H, 64, 1});
    }
    time_scan<mixers::s6, field::real>("s6", {4, 8192, 1024, 16, 1});
    time_scan<mixers::min_gru, field::real>("min gru", {4, 8192, 2048, 1, 1});
  }
}
