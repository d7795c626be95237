// SPDX-License-Identifier: MIT
// Times the forms through run and backward: one JSON line for each mixer, form and pass, with its floors (3.0 TB/s, 800 TFLOP/s).
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

/// Bytes and FLOP of the least a call has to do, forward and backward; 0: no such count is claimed.
struct work {
  double bytes = 0, flop = 0, back_bytes = 0, back_flop = 0;
};

/// Keeps the device busy while the host prepares what is timed, so that only device time lies between the events.
__global__ void wait_kernel(long long cycles) {
  const long long start = clock64();
  while (clock64() - start < cycles) {
  }
}

template <class M>
struct bench {
  static constexpr int sets = 3;  // of inputs, taken in turn
  using X = tokens<M, types<bf16, float>>;
  using T = typename X::types_type;
  using G = gradients<M, types<bf16, float>>;
  shape s;
  float gate;  // log decays are uniform in (gate, 0)
  extents e;
  X x[sets];
  G g;
  bf16* y = nullptr;
  bf16* dy[sets] = {};
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
  void bind(X& one, bool first, list<Need...>) {
    (
        [&] {
          using E = coefdyn::detail::stored_as<Need, T>;
          using Tag = typename Need::tag;
          auto& v = const_cast<stream_view<Need, const E>&>(one.template of<Need>());
          auto& w = const_cast<stream_view<Need, E>&>(g.template of<Need>());
          idx want[5] = {}, step = 1;
          coefdyn::detail::expected_shape<Need, M>(e, want);
          for (int a = Need::rank - 1; a >= 0; --a)
            v.extents[a] = w.extents[a] = want[a], v.strides[a] = w.strides[a] = step, step *= want[a];
          E* p = take<E>(step);
          const float k = 1.7f / std::sqrt(float(s.n));
          if (std::is_same_v<Tag, stream::log_decay>) fill<<<1024, 256>>>(p, step, gate, 0.f);
          else if (std::is_same_v<Tag, stream::beta> || std::is_same_v<Tag, stream::delta>) fill<<<1024, 256>>>(p, step, 0.f, 1.f);
          else if (std::is_same_v<Tag, stream::v>) fill<<<1024, 256>>>(p, step, -1.f, 1.f);
          else if (std::is_same_v<Tag, stream::q> && !traits<M>::linear) fill<<<1024, 256>>>(p, step, -1.7f, 1.7f);
          else if (std::is_same_v<Tag, stream::a>) fill<<<1024, 256>>>(p, step, -0.3f * k, 0.3f * k);
          else fill<<<1024, 256>>>(p, step, -k, k);
          v.data = p;
          if (first) w.data = take<E>(step);
        }(),
        ...);
  }
  bench(const shape& s_, float gate_ = -0.2f) : s(s_), gate(gate_) {
    e.batch = e.sequences = s.B, e.time = s.T, e.n = int(s.n), e.d = int(s.d), e.queries = e.keys = e.states = e.readers = int(s.H);
    for (X& one : x) bind(one, &one == x, typename X::needs{});
    const idx count = s.B * s.T * s.H * s.d;
    y = take<bf16>(count);
    for (bf16*& p : dy) p = take<bf16>(count), fill<<<1024, 256>>>(p, count, -1.f, 1.f);
    cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }
  double first = 0;  // ms of the first call of the last median
  template <class F>
  double median(int repeats, F f) {
    std::vector<float> times;
    cudaEvent_t begin, end;
    cudaEventCreate(&begin), cudaEventCreate(&end);
    for (int k = 0; k < repeats + 2; ++k) {
      wait_kernel<<<1, 1>>>(150000);
      cudaEventRecord(begin);
      f(k % sets);
      cudaEventRecord(end);
      cuda::checked(cudaEventSynchronize(end), "cudaEventSynchronize");
      float ms = 0;
      cudaEventElapsedTime(&ms, begin, end);
      if (k == 0) first = ms;
      if (k >= 2) times.push_back(ms);
    }
    cudaEventDestroy(begin), cudaEventDestroy(end);
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }
  view<bf16, 4> output() { return {y, s.B, s.T, s.H, s.d}; }
  /// `goal`: ms, 0 for none.
  void print(const char* name, const char* pass, const std::string& kernel, double ms, double bytes, double flop, double goal,
             std::size_t workspace_size) const {
    const double by_bytes = bytes / 3.0e9, by_flop = flop / 8.0e11, floor = std::max(by_bytes, by_flop);
    std::printf(
        "{\"mixer\": \"%s\", \"pass\": \"%s\", \"kernel\": \"%s\", \"types\": \"bf16/f32\", \"shape\": [%lld, %lld, %lld, %lld, %lld], "
        "\"gates\": %g, \"ms\": %.4f, \"first_ms\": %.4f, \"floor_bytes_ms\": %.4f, \"floor_flop_ms\": %.4f, \"share\": %.2f, \"goal_ms\": "
        "%.3f, "
        "\"workspace_mb\": %.1f}\n",
        name, pass, kernel.c_str(), (long long)s.B, (long long)s.T, (long long)s.H, (long long)s.n, (long long)s.d, double(gate), ms, first,
        by_bytes, by_flop, ms > 0 ? floor / ms : 0, goal, double(workspace_size) / 1e6);
    std::fflush(stdout);
  }
  template <class Form>
  void line(const char* name, Form f, int repeats, int back_repeats, const work& w = {}, double goal = 0, double both_goal = 0) {
    if constexpr (form_exists<Form, M>) {
      using carry_type = carry<M, types<bf16, float>>;
      const device::cuda on;
      const std::size_t forward_size = workspace_bytes(on, f, x[0]);
      const std::string kernel = chosen_kernel(on, f, x[0]);
      workspace ws(take<std::byte>(idx(forward_size) + 16), forward_size);
      const double forward = median(repeats, [&](int i) { run(on, f, x[i], output(), carry_type{}, ws); });
      print(name, "forward", kernel, forward, w.bytes, w.flop, goal, forward_size);
      if (back_repeats == 0) return;
      cuda::kept_forward kept;
      const std::size_t keep = kept_bytes(on, f, x[0]);
      kept.memory = workspace(take<std::byte>(idx(keep) + 16), keep);
      kept.filled = keep > 0;
      const std::size_t size = std::max(forward_size, backward_workspace_bytes(on, f, x[0], &kept));
      ws = workspace(take<std::byte>(idx(size) + 16), size);
      const double both = median(back_repeats, [&](int i) {
        run(on, f, x[i], output(), carry_type{}, ws, &kept);
        backward(on, f, x[i], view<const bf16, 4>(static_cast<const bf16*>(dy[i]), s.B, s.T, s.H, s.d), g, carry_type{},
                 state_gradients<M, types<bf16, float>>{}, ws, &kept);
      });
      print(name, "forward + backward", kernel, both, w.bytes + w.back_bytes, w.flop + w.back_flop, both_goal, size);
    }
  }
};

/// The scalar family's least: every tensor once forward, q, k, v, dy and three gradients backward; products of both.
work scalar_work(const shape& s) {
  const double tokens = double(s.B) * double(s.T) * double(s.H), n = double(s.n);
  return {tokens * (4 * 2 * n + 8), tokens * (4 * n * n + 256 * n), tokens * (7 * 2 * n + 16), tokens * (12 * n * n + 744 * n)};
}
/// The parallel form's: two products over half the square forward, five backward.
work pair_work(const shape& s) {
  const double pairs = double(s.B) * double(s.H) * double(s.T) * double(s.T) * double(s.n);
  return {0, 2 * pairs, 0, 5 * pairs};
}
}  // namespace

int main(int count, char** a) {
  shape s;
  setenv("CUDA_MODULE_LOADING", "EAGER", 0);  // kernels are loaded before the first call is timed
  if (count > 5) s = {std::atoll(a[1]), std::atoll(a[2]), std::atoll(a[3]), std::atoll(a[4]), std::atoll(a[5])};
  namespace r = readout;
  namespace ev = evolution;
  namespace sc = scaling;
  namespace no = normalization;
  using decayed = mixer<r::linear, ev::scalar, sc::one, no::sqrt_dim>;
  using delta_rule = mixer<r::linear, ev::gated_householder<>, sc::beta, no::sqrt_dim>;
  const shape longer = {1, 8 * s.T, s.H, s.n, s.d};
  for (const float gate : {-2e-3f, -0.3f}) {
    bench<decayed>(s, gate).line("scalar", form::chunkwise{}, 30, 30, scalar_work(s), 0.30, 1.1);
    bench<decayed>(longer, gate).line("scalar", form::chunkwise{}, 30, 30, scalar_work(longer), 0.70, 2.4);
  }
  bench<mixer<r::linear, ev::scalar, sc::one, no::sum, feature::elu_plus_one>>(s, -2e-3f).line("scalar, elu+1, sum", form::chunkwise{}, 30,
                                                                                               30, scalar_work(s));
  bench<mixers::mamba2>(s, -2e-3f).line("mamba-2", form::chunkwise{}, 30, 30, scalar_work(s));
  bench<mixer<r::exponential, ev::identity, sc::inverse_sqrt_dim, no::sum>>(s).line("softmax", form::parallel{}, 12, 10, pair_work(s), 2.3,
                                                                                    9.5);
  bench<mixer<r::softplus, ev::identity, sc::inverse_sqrt_dim, no::sum>>(s).line("softplus", form::parallel{}, 12, 10, pair_work(s), 2.3);
  bench<mixer<r::relu_squared, ev::identity, sc::inverse_sqrt_dim, no::one>>(s).line("relu squared", form::parallel{}, 12, 10, pair_work(s),
                                                                                     2.3);
  bench<mixer<r::exponential, ev::scalar, sc::inverse_sqrt_dim, no::sum>>(s, -2e-3f).line("softmax, scalar decay", form::parallel{}, 10, 10,
                                                                                          pair_work(s));
  for (const float gate : {-2e-3f, -0.3f, -5.f})
    bench<mixers::gla>(s, gate).line("gla", form::chunkwise{}, 12, gate == -0.3f ? 1 : 0, work{scalar_work(s).bytes}, 0.45);
  bench<mixers::gla>(longer, -0.3f).line("gla", form::chunkwise{}, 12, 0, work{scalar_work(longer).bytes}, 1.2);
  bench<mixers::hgrn2>(s, -0.3f).line("hgrn-2", form::chunkwise{}, 12, 0);
  bench<delta_rule>(s, -2e-3f).line("gated deltanet", form::chunkwise{}, 12, 1, work{scalar_work(s).bytes}, 0.35);
  bench<mixer<r::linear, ev::diagonal_householder<>, sc::beta, no::sqrt_dim>>(s).line("kda", form::chunkwise{}, 2, 1);
  bench<mixer<r::linear, ev::diagonal_plus_rank_one, sc::one, no::one>>(s).line("rwkv-7", form::chunkwise{}, 2, 1);
  bench<mixer<r::exponential, ev::householder<ev::along::z>, sc::inverse_sqrt_dim, no::sum>>({s.B, s.T / 4, s.H, s.n, s.d})
      .line("path", form::parallel{}, 2, 0);
  bench<delta_rule>({s.B, s.T / 8, s.H, s.n, s.d}).line("gated deltanet", form::recurrent{}, 2, 0);
}
