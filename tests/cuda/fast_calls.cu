// SPDX-License-Identifier: MIT
// What belongs to the calls of the Hopper plans: segments of long sequences against the generic engine, what forward keeps for
// backward, states given back in place, and when the generic engine serves instead.
#include "law.cuh"
#include "mixers.cuh"

namespace gpu_test {
namespace {

void expect(bool condition, const char* what) {
  if (condition) ++total.passed;
  else ++total.failed, std::printf("    FAILED fast calls: %s\n", what);
}
template <class M, class Heads = heads::grouped_queries>
struct of {
  using mixer_type = M;
  using heads_type = Heads;
  static constexpr field over = field::real;
};
/// Output, then the gradients of all streams, of one form; `kept`: with what forward keeps.
template <class P>
struct outcome {
  using L = law<of<typename P::M, typename P::H>, bf16>;
  both<bf16> y;
  std::vector<both<unsigned char>> memory;
  gradients<typename P::M, bf16, typename P::H> g;
  /// `constants`: also the gradients of streams without time, which the generic engine gives; `first`: the token that dy begins with.
  template <class Form>
  outcome(P& p, Form f, bool keeps, bool constants = true, idx first = 0, const device::cuda& on = {})
      : y(p.e.batch * p.e.time * p.e.readers * p.e.d) {
    const view<bf16, 4> out(y.device, p.e.batch, p.e.time, idx(p.e.readers), idx(p.e.d));
    y.spoil();
    both<bf16> dy(idx(y.host.size()));
    const std::size_t skipped = std::size_t(first * p.e.readers * p.e.d);
    for (std::size_t i = 0; i < dy.host.size(); ++i) dy.host[i] = bf16(float(int((i + skipped) * 7 % 13) - 6) * 0.25f);
    dy.up();
    L::bind(g, p, memory, false, typename P::needs{});
    if (!constants) drop_constants(typename P::needs{});
    cuda::kept_forward kept;
    both<unsigned char> keep{idx(kept_bytes(on, f, p.x))}, ws{idx(workspace_bytes(on, f, p.x))};
    kept.memory = workspace(reinterpret_cast<std::byte*>(keep.device), keep.host.size());
    run(on, f, p.x, out, {}, workspace(reinterpret_cast<std::byte*>(ws.device), ws.host.size()), keeps ? &kept : nullptr);
    both<unsigned char> back{idx(backward_workspace_bytes(on, f, p.x, keeps ? &kept : nullptr))};
    backward(on, f, p.x, view<const bf16, 4>(static_cast<const bf16*>(dy.device), out.extents, out.strides), g, {}, {},
             workspace(reinterpret_cast<std::byte*>(back.device), back.host.size()), keeps ? &kept : nullptr);
    cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    y.down();
    for (auto& m : memory) m.down();
  }
  template <class... Need>
  void drop_constants(list<Need...>) {
    (
        [&] {
          using E = stored_t<Need, typename P::T>;
          if (!Need::timed) const_cast<stream_view<Need, E>&>(g.template of<Need>()) = {};
        }(),
        ...);
  }
  bool same(const outcome& o) const {
    bool equal = !std::memcmp(y.host.data(), o.y.host.data(), y.host.size() * sizeof(bf16));
    for (std::size_t k = 0; k < memory.size(); ++k) equal = equal && memory[k].host == o.memory[k].host;
    return equal;
  }
};
template <class T>
double distance(const T* got, const T* want, std::size_t count) {
  error_sum sum;
  for (std::size_t i = 0; i < count; ++i) sum.add(double(got[i]), double(want[i]));
  return sum.relative();
}

template <class M>
void segments(const char* what) {  // 8192 tokens a segment, the last one short; the same numbers from the generic engine's chunks of 32
  for (const auto& offsets : {std::vector<std::int64_t>{}, std::vector<std::int64_t>{0, 300, 17500, 17500, 18000}}) {
    const config c{"segments", 1, offsets.empty() ? 17000 : 18000, 64, 64, false, false, offsets, 0};
    problem<of<M>, bf16> p(c);
    const auto name = chosen_kernel(device::cuda{}, form::chunkwise{}, p.x);
    expect(name.find("segments of 8192") != std::string::npos, "long sequences go by segments");
    const outcome fast(p, form::chunkwise{}, false), kept(p, form::chunkwise{}, true), generic(p, form::chunkwise{32}, false);
    expect(fast.same(kept), "what segments keep gives the same bits");
    double worst = distance(fast.y.host.data(), generic.y.host.data(), fast.y.host.size()), gate = 0;
    for (std::size_t k = 0; k < fast.memory.size(); ++k) {
      const auto &a = fast.memory[k].host, &b = generic.memory[k].host;
      if (p.gates[k])
        gate = std::fmax(gate, distance(reinterpret_cast<const float*>(a.data()), reinterpret_cast<const float*>(b.data()), a.size() / 4));
      else
        worst = std::fmax(worst, distance(reinterpret_cast<const bf16*>(a.data()), reinterpret_cast<const bf16*>(b.data()), a.size() / 2));
    }
    expect(worst < 7e-3 && gate < 1.4e-2, "segments agree with the generic engine");  // both round to bf16
    std::printf("segments%s%s: rows %.1e, gates %.1e\n", what, offsets.empty() ? "" : ", packed", worst, gate);
  }
}
/// Constant rotations and decays: rows are turned ahead, gradients back, where the constants' own gradients are not asked for.
template <class M, class Form>
void constants(Form f, const char* what) {
  const config c{"constants", 2, 300, 64, 64, false, false, {}, 0};
  problem<of<M>, bf16> p(c);
  expect(chosen_kernel(device::cuda{}, f, p.x).find("sm_90a") != std::string::npos, what);
  const outcome fast(p, f, false, false), generic(p, f, false, true);
  double worst = distance(fast.y.host.data(), generic.y.host.data(), fast.y.host.size());
  for (std::size_t k = 0; k < 3; ++k) {  // q, k, v
    const auto &a = fast.memory[k].host, &b = generic.memory[k].host;
    worst = std::fmax(worst, distance(reinterpret_cast<const bf16*>(a.data()), reinterpret_cast<const bf16*>(b.data()), a.size() / 2));
  }
  expect(worst < 7e-3, what);  // both round to bf16
  std::printf("%s: rows %.1e\n", what, worst);
}
void kept() {
  using M = mixer<r::exponential, ev::scalar, sc::inverse_sqrt_dim, no::sum>;
  const config c{"kept", 2, 333, 64, 64, false, false, {}, 0};
  problem<of<M>, bf16> p(c);
  const outcome fast(p, form::parallel{}, false), kept(p, form::parallel{}, true);
  expect(fast.same(kept), "what the parallel form keeps gives the same bits");
}
/// The parallel form over packed sequences, the third full of NaN: each other one as alone, bit for bit; with what forward keeps;
/// with 32-bit offsets on the device.
template <class M, class Heads>
void packed(const char* what) {
  using P = problem<of<M, Heads>, bf16>;
  const std::vector<std::int64_t> offsets = {0, 100, 100, 163, 420};
  const config c{"packed", 1, 420, 128, 128, false, false, offsets, 0};
  P p(c);
  const auto streams = [&]<class... Need>(list<Need...>, auto f) {
    std::size_t k = 0;
    ((Need::timed ? f(k) : void(), ++k), ...);
  };
  streams(typename P::needs{}, [&](std::size_t k) {
    auto& bytes = p.memory[k].host;
    const std::ptrdiff_t row = std::ptrdiff_t(bytes.size()) / c.T;
    std::fill(bytes.begin() + offsets[2] * row, bytes.begin() + offsets[3] * row, 0xff);
    p.memory[k].up();
  });
  expect(chosen_kernel(device::cuda{}, form::parallel{}, p.x) == "parallel, sm_90a, tiles of 128", what);
  const outcome all(p, form::parallel{}, false, false), kept(p, form::parallel{}, true, false);
  expect(all.same(kept), "what the parallel form keeps over packed sequences gives the same bits");
  for (const std::size_t i : {0, 3}) {
    const idx begin = offsets[i], length = offsets[i + 1] - begin;
    const auto part = [&](const std::vector<unsigned char>& x) {
      const std::ptrdiff_t row = std::ptrdiff_t(x.size()) / c.T;
      return std::vector<unsigned char>(x.begin() + begin * row, x.begin() + (begin + length) * row);
    };
    const config one{"alone", 1, length, 128, 128, false, false, {}, 0};
    P q(one);
    for (std::size_t k = 0; k < q.memory.size(); ++k) q.memory[k].host = p.memory[k].host;
    streams(typename P::needs{}, [&](std::size_t k) { q.memory[k].host = part(p.memory[k].host); });
    for (auto& m : q.memory) m.up();
    const outcome alone(q, form::parallel{}, false, false, begin);
    bool same = !std::memcmp(alone.y.host.data(), all.y.host.data() + begin * p.e.readers * 128, alone.y.host.size() * sizeof(bf16));
    streams(typename P::needs{}, [&](std::size_t k) { same = same && alone.memory[k].host == part(all.memory[k].host); });
    expect(same, what);
  }
  both<std::int32_t> narrow(idx(offsets.size()));
  narrow.host.assign(offsets.begin(), offsets.end()), narrow.up();
  p.x.cu_seqlens = std::span<const std::int32_t>(narrow.device, offsets.size());
  expect(all.same(outcome(p, form::parallel{}, false, false, 0, device::cuda{.trusted = 257})), "trusted offsets give the same bits");
}
template <class P>
__global__ void make_gates(const float* raw, const float* bias, const float* rate, idx count, idx heads, float* decays, float* steps) {
  for (idx i = threadIdx.x; i < count; i += blockDim.x) {
    decays[i] = P::log_decay(raw[i], bias[i % heads], rate[i % heads]);
    steps[i] = P::delta(raw[i], bias[i % heads]);
  }
}
/// Mamba-2's decays and steps from raw numbers, a dt_bias and an A_log of each head: the numbers of the mixer that takes them ready made,
/// and of its gradients what the chain rule makes on the host; all by the sweep.
void raw_gates() {
  using P = parameterisation::mamba2;
  using Raw = mixer<r::linear, ev::parameterised<ev::scalar, P>, sc::step<P>, no::one>;
  using Made = mixer<r::linear, ev::scalar, sc::delta, no::one>;
  using problem_of_raw = problem<of<Raw>, bf16>;
  using problem_of_made = problem<of<Made>, bf16>;
  const config c{"raw gates", 2, 300, 64, 64, false, false, {}, 0};
  problem_of_raw a(c);
  problem_of_made b(c);
  const auto at = [](auto& p, const char* name) {
    for (std::size_t k = 0; k < p.names.size(); ++k)
      if (!std::strcmp(p.names[k], name)) return k;
    throw std::runtime_error(name);
  };
  const auto floats = [](auto& bytes) { return reinterpret_cast<float*>(bytes.host.data()); };
  for (const char* name : {"q", "k", "v"}) {
    auto& to = b.memory[at(b, name)];
    to.host = a.memory[at(a, name)].host, to.up();
  }
  const float *raw = floats(a.memory[at(a, "raw")]), *bias = floats(a.memory[at(a, "dt_bias")]), *rate = floats(a.memory[at(a, "A_log")]);
  auto &decays = b.memory[at(b, "log_decay")], &steps = b.memory[at(b, "delta")];
  const std::size_t count = decays.host.size() / sizeof(float), heads = std::size_t(a.e.states);
  const auto on_device = [](auto& bytes) { return reinterpret_cast<float*>(bytes.device); };
  make_gates<P><<<1, 256>>>(on_device(a.memory[at(a, "raw")]), on_device(a.memory[at(a, "dt_bias")]), on_device(a.memory[at(a, "A_log")]),
                            idx(count), idx(heads), on_device(decays), on_device(steps));
  const outcome by_raw(a, form::chunkwise{}, false);
  const outcome by_made(b, form::chunkwise{}, false);
  const auto gradient = [&](auto& p, const auto& o, const char* name) {
    return reinterpret_cast<const float*>(o.memory[at(p, name)].host.data());
  };
  const float *d_decay = gradient(b, by_made, "log_decay"), *d_step = gradient(b, by_made, "delta");
  std::vector<double> d_raw(count), d_bias(heads), d_rate(heads);
  for (std::size_t i = 0; i < count; ++i) {
    const double x = raw[i], by = bias[i % heads], speed = rate[i % heads];
    const auto g = P::pull_back(double(d_decay[i]), x, by, speed);
    const auto s = P::pull_back_delta(double(d_step[i]), x, by);
    d_raw[i] = g[0] + s[0], d_bias[i % heads] += g[1] + s[1], d_rate[i % heads] += g[2];
  }
  const auto error = [&](const char* name, const std::vector<double>& want) {
    const float* got = gradient(a, by_raw, name);
    error_sum sum;
    for (std::size_t i = 0; i < want.size(); ++i) sum.add(double(got[i]), want[i]);
    return sum.relative();
  };
  const double y = distance(by_raw.y.host.data(), by_made.y.host.data(), by_raw.y.host.size());
  const double worst = std::fmax(error("raw", d_raw), std::fmax(error("dt_bias", d_bias), error("A_log", d_rate)));
  expect(chosen_kernel(device::cuda{}, form::chunkwise{}, a.x).find("sweep") != std::string::npos, "raw gates take the sweep");
  expect(y < 1e-3 && worst < 1e-4, "raw gates give what ready made decays and the chain rule give");
  std::printf("raw gates: rows %.1e, gradients %.1e\n", y, worst);
}
/// A state read and written at one place, by a mixer whose z, m and position several blocks read.
template <class M, class Types, class Form>
void in_place(Form f, int n, int d, const char* what) {
  const config c{"in place", 2, 70, n, d, true, false, {}, 0};
  problem<of<M>, Types> p(c);
  using T = typename problem<of<M>, Types>::T;
  device_state<M, T> a(2, p.e.states, n, d), b(2, p.e.states, n, d);
  for (auto& s : a.S.host) s = 0.25f;
  for (auto& s : a.z.host) s = 1;
  for (auto& s : a.m.host) s = 0;
  for (auto& s : a.position.host) s = 5;
  a.S.up(), a.z.up(), a.m.up(), a.position.up(), b.spoil();
  both<typename T::storage> y(2 * 70 * p.e.readers * d), again(idx(y.host.size()));
  const auto call = [&](auto& out, auto& to) {
    carried<M, T> k;
    k.initial = a.view_of(), k.final = to.view_of();
    run(device::cuda{}, f, p.x, view<typename T::storage, 4>(out.device, idx(2), idx(70), idx(p.e.readers), idx(d)), k);
    cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    out.down(), to.down();
  };
  call(y, b), call(again, a);
  const auto same = [](const auto& s, const auto& t) { return !std::memcmp(s.data(), t.data(), s.size() * sizeof(s[0])); };
  expect(same(y.host, again.host) && same(a.S.host, b.S.host) && same(a.z.host, b.z.host) && same(a.m.host, b.m.host) &&
             same(a.position.host, b.position.host),
         what);
}
/// A captured call, replayed over spoilt outputs.
template <class M, class Form>
void captured(Form f, idx time, const char* what) {
  const config c{"captured", 1, time, 64, 64, false, false, {}, 0};
  problem<of<M>, bf16> p(c);
  const idx count = time * p.e.readers * 64;
  both<bf16> want(count), y(count);
  const auto out = [&](both<bf16>& to) { return view<bf16, 4>(to.device, idx(1), time, idx(p.e.readers), idx(64)); };
  run(device::cuda{}, f, p.x, out(want));
  want.down();
  both<unsigned char> ws{idx(workspace_bytes(device::cuda{}, f, p.x))};
  replay([&](const device::cuda& on) { run(on, f, p.x, out(y), {}, workspace(reinterpret_cast<std::byte*>(ws.device), ws.host.size())); },
         [&] { y.spoil(); });
  y.down();
  expect(!std::memcmp(y.host.data(), want.host.data(), y.host.size() * sizeof(bf16)), what);
}
void fallbacks() {
  using M = mixer<r::linear, ev::scalar, sc::one, no::one>;
  const config c{"fallbacks", 1, 80, 64, 64, false, false, {}, 0};
  problem<of<M>, bf16> p(c);
  const device::cuda on;
  const auto name = [&](auto f, const auto& x) { return chosen_kernel(on, f, x); };
  expect(name(form::chunkwise{}, p.x) == "sweep, sm_90a, chunks of 64" && name(form::automatic{}, p.x) == name(form::chunkwise{}, p.x),
         "the sweep is chosen");
  expect(name(form::chunkwise{32}, p.x).find("generic, chunks of 32") != std::string::npos, "a chunk length that is asked for is kept");
  auto shifted = p.x;
  shifted.q.data += 1;
  expect(name(form::chunkwise{}, shifted).find("generic") != std::string::npos, "rows that are not aligned take the generic engine");
  expect(name(form::parallel{}, p.x) == "parallel, sm_90a, tiles of 128", "the parallel form of a linear map is chosen too");
}

}  // namespace
}  // namespace gpu_test

void fast_calls() {
  using namespace gpu_test;
  const int before = total.failed;
  try {
    if (cuda::hopper::available()) {
      captured<mixer<r::linear, ev::scalar, sc::delta, no::one>>(form::chunkwise{}, 200, "a captured sweep gives the same bits");
      captured<mixer<r::exponential, ev::scalar, sc::inverse_sqrt_dim, no::sum>>(form::parallel{}, 200,
                                                                                 "a captured parallel form gives the same bits");
      captured<mixer<r::linear, ev::gated_householder<>, sc::beta, no::one>>(form::step{}, 1, "a captured step gives the same bits");
      using summed = mixer<r::linear, ev::scalar, sc::delta, no::sum, feature::elu_plus_one>;
      captured<summed>(form::chunkwise{}, 300, "a captured sweep with sums gives the same bits");
      segments<mixer<r::linear, ev::scalar, sc::delta, no::sqrt_dim>>(""), segments<summed>(", sums");
      kept(), fallbacks(), raw_gates();
      packed<mixer<r::exponential, ev::scalar, sc::inverse_sqrt_dim, no::sum>, heads::grouped_values>("packed softmax with a decay");
      packed<mixer<r::exponential, ev::rotation<>, sc::inverse_sqrt_dim, no::sum>, heads::grouped_queries>(
          "packed softmax with a rotation");
      constants<mixer<r::exponential, ev::rotation<>, sc::inverse_sqrt_dim, no::sum>>(form::parallel{}, "softmax with a rotation");
      constants<mixer<r::linear, ev::rotation_decay<>, sc::one, no::sqrt_dim>>(form::chunkwise{}, "sweep with a rotation");
      constants<mixer<r::linear, ev::fixed_scalar, sc::one, no::sqrt_dim>>(form::chunkwise{}, "sweep with a fixed decay");
      constants<mixer<r::linear, ev::fixed_scalar, sc::one, no::sum, feature::softmax>>(form::chunkwise{},
                                                                                        "sweep with sums of softmax features");
      constants<mixer<r::linear, ev::rotation_decay<>, sc::one, no::sqrt_dim, feature::l2>>(form::chunkwise{},
                                                                                            "sweep with turned features");
    }
    if (!cuda::hopper::available()) ++total.skipped;
    in_place<mixer<r::linear, ev::scalar, sc::product<sc::exp_input, sc::inverse_sqrt_dim>, no::floored_sum>, float>(
        form::chunkwise{}, 16, 200, "a stabilised state in place, chunkwise");
    in_place<mixer<r::linear, ev::scalar, sc::product<sc::exp_input, sc::inverse_sqrt_dim>, no::floored_sum>, float>(
        form::recurrent{}, 16, 200, "a stabilised state in place, recurrent");
    in_place<mixer<r::linear, ev::scalar, sc::one, no::sum>, float>(form::parallel{}, 16, 24, "a state in place, parallel");
    in_place<mixer<r::linear, ev::scalar, sc::one, no::one>, bf16>(form::chunkwise{}, 64, 64, "a state in place, sweep");
    in_place<mixer<r::linear, ev::scalar, sc::delta, no::sum, feature::elu_plus_one>, bf16>(form::chunkwise{}, 64, 64,
                                                                                            "a state and its sum in place, sweep");
  } catch (const std::exception& error) {
    expect(false, error.what());
  }
  std::printf("%s fast calls\n", total.failed == before ? "ok  " : "FAIL");
}
