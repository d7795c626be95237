// SPDX-License-Identifier: MIT
// Google Benchmark over mixers, forms and sizes, in float on one thread; items are token-heads. `./run bench` writes JSON.
// Labels give the tuning used: tokens of a chunk or tile.
#include <benchmark/benchmark.h>

#include <cmath>
#include <coefdyn/coefdyn.hpp>
#include <coefdyn/cpu/backward.hpp>
#include <random>
#include <string>
#include <vector>

namespace {
using namespace coefdyn;

/// Random inputs of any mixer: unit vectors where a rank-one correction is, weak decays.
template <class M, field Over>
struct inputs {
  static constexpr idx B = 1;
  static constexpr int H = 4;
  idx T;
  int n, d;
  tokens<M, float, heads::grouped_queries, Over> x;
  std::vector<std::vector<float>> held;
  std::vector<float> y, dy;
  std::mt19937 random{1};

  inputs(idx time, int size) : T(time), n(size), d(size), y(static_cast<std::size_t>(B * T * H * d)), dy(y.size(), 1.0f) {
    fill_all(typename decltype(x)::needs{});
  }
  view<float, 4> out() { return view(y.data(), B, T, H, d); }

 private:
  template <class... Need>
  void fill_all(list<Need...>) {
    (fill<Need>(), ...);
  }
  template <class Need>
  void fill() {
    using E = element_of<Need, float>;
    extents e;
    e.batch = B, e.time = T, e.readers = e.queries = e.states = e.keys = H, e.n = n, e.d = d;
    idx shape[5] = {};
    detail::expected_shape<Need, M>(e, shape);
    auto v = x.template of<Need>();
    idx count = 1;
    for (int a = Need::rank - 1; a >= 0; --a) v.extents[a] = shape[a], v.strides[a] = count, count *= shape[a];
    auto& numbers = held.emplace_back(static_cast<std::size_t>(count) * (sizeof(E) / sizeof(float)));
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<float> uniform(0, 1);
    constexpr bool is_gate = std::is_same_v<typename Need::tag, stream::log_decay>,
                   is_strength = std::is_same_v<typename Need::tag, stream::beta>;
    for (float& value : numbers)
      value = is_gate ? -0.1f * uniform(random) : is_strength ? uniform(random) : normal(random) / std::sqrt(float(n));
    v.data = reinterpret_cast<const E*>(numbers.data());
    x.template set<Need>(v);
  }
};

template <class M, class Form, field Over>
void forward(benchmark::State& state, Form f) {
  inputs<M, Over> in(state.range(0), int(state.range(1)));
  const device::cpu<serial> on{};
  std::vector<std::byte> memory(workspace_bytes(on, f, in.x) + 64);
  const std::size_t shift = (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64;
  for (auto _ : state) {
    run(on, f, in.x, in.out(), carry<M>{}, workspace(memory).subspan(shift));
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * in.T * in.H);
  const auto tuned = cpu::tuning_for<M, float>(in.n, in.d);
  if constexpr (std::is_same_v<Form, form::chunkwise>) state.SetLabel("chunk " + std::to_string(tuned.chunk));
  if constexpr (std::is_same_v<Form, form::parallel>) state.SetLabel("tile " + std::to_string(tuned.tile));
}

template <class M, field Over = field::real>
void mixer_benches(const std::string& name) {
  const auto add = [&](auto f, const std::string& form_name, std::vector<std::int64_t> times) {
    if constexpr (form_exists<decltype(f), M>)
      benchmark::RegisterBenchmark((name + "/" + form_name).c_str(), [f](benchmark::State& s) { forward<M, decltype(f), Over>(s, f); })
          ->ArgNames({"T", "n"})
          ->ArgsProduct({times, {64, 128}})
          ->Unit(benchmark::kMicrosecond);
  };
  add(form::chunkwise{}, "chunkwise", {256, 2048});
  add(form::recurrent{}, "recurrent", {256, 2048});
  add(form::parallel{}, "parallel", {256, 1024});
  add(form::step{}, "step", {1});
}
}  // namespace

int main(int argc, char** argv) {
  mixer_benches<mixers::softmax_attention>("softmax_attention");
  mixer_benches<mixers::linear_attention_elu1>("linear_attention_elu1");
  mixer_benches<mixers::mamba2>("mamba2");
  mixer_benches<mixers::mlstm>("mlstm");
  mixer_benches<mixers::gla>("gla");
  mixer_benches<mixers::rwkv6>("rwkv6");
  mixer_benches<mixers::gated_deltanet>("gated_deltanet");
  mixer_benches<mixers::kda>("kda");
  mixer_benches<mixers::gated_deltaproduct_3>("gated_deltaproduct_3");
  mixer_benches<mixers::rwkv7>("rwkv7");
  mixer_benches<mixers::lru, field::complex>("lru");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
