// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "coefdyn/cpu/backward.hpp"
#include "coefdyn/cuda/backward.cuh"

/// One law: every form on the GPU gives the numbers of the CPU's definition in float64, from the same rounded inputs.
/// Metric: relative root mean square over a tensor.
namespace gpu_test {

using namespace coefdyn;

struct counts {
  int passed = 0, failed = 0, skipped = 0;
};
inline counts total;
inline bool small = false;  // short sequences only, for compute-sanitizer

/// Device memory with a copy on the host.
template <class T>
struct both {
  std::vector<T> host;
  T* device = nullptr;
  explicit both(idx n = 0) { resize(n); }
  both(const both&) = delete;
  both(both&& o) noexcept : host(std::move(o.host)), device(o.device) { o.device = nullptr; }
  ~both() { cudaFree(device); }
  void resize(idx n) {
    host.assign(std::size_t(n), T{});
    cudaFree(device);
    device = nullptr;
    cuda::checked(cudaMalloc(reinterpret_cast<void**>(&device), sizeof(T) * std::size_t(n > 0 ? n : 1)), "cudaMalloc");
  }
  void up() { cuda::checked(cudaMemcpy(device, host.data(), sizeof(T) * host.size(), cudaMemcpyHostToDevice), "cudaMemcpy"); }
  void down() { cuda::checked(cudaMemcpy(host.data(), device, sizeof(T) * host.size(), cudaMemcpyDeviceToHost), "cudaMemcpy"); }
  /// Every byte 0xff: a NaN in every type.
  void spoil() { cuda::checked(cudaMemset(device, 0xff, sizeof(T) * host.size()), "cudaMemset"); }
};
template <class T>
double real_of(const T& x) {
  return double(x);
}

struct config {
  const char* name;
  idx B, T;
  int n, d;
  bool states, strided;
  std::vector<std::int64_t> offsets;
  idx first_read;
  bool tiled = false;  // sizes of the Hopper kernels: 16-bit types, no captured states
};
inline const std::vector<config>& configs() {
  static const std::vector<config> all = {
      {"T65", 2, 65, 16, 24, true, false, {}, 0},
      {"T63 strided", 2, 63, 20, 12, false, true, {}, 0},
      {"packed", 1, 49, 16, 16, true, false, {0, 17, 17, 48, 49}, 0},
      {"T0", 2, 0, 8, 8, true, false, {}, 0},
      {"T1", 1, 1, 8, 8, true, false, {}, 0},
      {"T1 alone", 2, 1, 8, 8, false, false, {}, 0},
      {"T5", 2, 5, 20, 36, true, true, {}, 0},
      {"T66 above 32", 2, 66, 36, 40, true, true, {}, 0},
      {"T150 wide", 1, 150, 72, 130, true, false, {}, 0},
      {"cache", 1, 40, 16, 8, false, false, {}, 23},
      {"T200 tiled", 2, 200, 128, 128, true, false, {}, 0, true},
      {"T130 tiled", 1, 130, 64, 128, true, false, {}, 0, true},
      {"T40 tiled", 1, 40, 128, 64, true, false, {}, 0, true},
      {"T257 tiled", 2, 257, 64, 64, false, false, {}, 0, true},
      {"packed tiled", 1, 300, 128, 128, true, false, {0, 100, 100, 163, 300}, 0, true},
  };
  return all;
}

struct error_sum {
  double difference = 0, size = 0, count = 0, floor = 1e-4;
  void add(double got, double want) { difference += (got - want) * (got - want), size += want * want, ++count; }
  double relative() const {  // a tensor that is zero but for rounding is measured against sqrt(floor)
    if (std::isnan(difference)) return NAN;
    return count > 0 ? std::sqrt(difference / std::fmax(size, floor * count)) : 0;
  }
};

template <class Need, class Types>
using stored_t = coefdyn::detail::stored_as<Need, Types>;
template <class E>
constexpr int parts = 1;
template <class R>
constexpr int parts<complex<R>> = 2;

/// A call of one mixer: inputs on both sides, as the GPU's types and as float64.
template <class Subject, class Types>
struct problem {
  using M = typename Subject::mixer_type;
  using H = typename Subject::heads_type;
  static constexpr field O = Subject::over;
  using T = typename coefdyn::detail::as_types<Types>::type;
  using X = tokens<M, T, H, O>;
  using XD = tokens<M, double, H, O>;
  using S = typename T::storage;
  using needs = typename X::needs;
  const config& c;
  std::mt19937 random{7};
  extents e;
  X x;
  XD ref;
  std::vector<both<unsigned char>> memory;
  std::vector<std::vector<double>> values;
  std::vector<const char*> names;
  std::vector<bool> gates;

  explicit problem(const config& c_) : c(c_) {
    e.batch = c.B, e.time = c.T, e.first_read = c.first_read, e.n = c.n, e.d = c.d;
    constexpr bool gqa = std::is_same_v<H, heads::grouped_queries>;
    e.queries = gqa ? 4 : 2, e.keys = 2, e.states = gqa ? 2 : 4, e.readers = 4;
    e.sequences = c.offsets.empty() ? c.B : idx(c.offsets.size()) - 1;
    memory.reserve(20), values.reserve(20);
    x.first_read = ref.first_read = c.first_read;
    if (!c.offsets.empty()) x.cu_seqlens = ref.cu_seqlens = std::span<const std::int64_t>(c.offsets);
    fill_all(needs{});
  }
  template <class Need>
  double draw() {
    using Tag = typename Need::tag;
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> flat;
    const double root = 1 / std::sqrt(double(c.n));
    if (std::is_same_v<Tag, stream::log_decay>) return -0.01 - 0.5 * flat(random);
    if (std::is_same_v<Tag, stream::beta> || std::is_same_v<Tag, stream::delta>) return flat(random);
    if (std::is_same_v<Tag, stream::v> || std::is_same_v<Tag, stream::q>) return normal(random);
    if (std::is_same_v<Tag, stream::A>) return 0.6 * root * normal(random);
    if (std::is_same_v<Tag, stream::input_gate>) return 2 * normal(random);
    if (std::is_same_v<Tag, stream::k> || std::is_same_v<Tag, stream::z> || std::is_same_v<Tag, stream::a> ||
        std::is_same_v<Tag, stream::c>)
      return root * normal(random);
    return 0.4 * normal(random);
  }
  /// Strides of a stream: row-major, or time-major with gaps.
  template <class Need, class V>
  idx shape(V& v, bool strided) {
    idx want[5] = {};
    coefdyn::detail::expected_shape<Need, M>(e, want);
    int order[5] = {0, 1, 2, 3, 4};
    if (strided && Need::timed) order[0] = 1, order[1] = 0;
    idx step = strided ? 2 : 1;
    for (int k = Need::rank - 1; k >= 0; --k) {
      const int a = order[k];
      v.extents[a] = want[a], v.strides[a] = step;
      step *= want[a];
      if (strided && k == Need::rank - 1) step += 3;
    }
    return step;
  }
  template <class Need>
  void fill() {
    using E = stored_t<Need, T>;
    using ED = stored_t<Need, types<double>>;
    auto& v = const_cast<stream_view<Need, const E>&>(x.template of<Need>());
    auto& w = const_cast<stream_view<Need, const ED>&>(ref.template of<Need>());
    const idx room = shape<Need>(v, c.strided), count = shape<Need>(w, false);
    memory.emplace_back(room * idx(sizeof(E)));
    values.emplace_back(std::size_t(count * parts<ED>));
    names.push_back(Need::tag::name);
    gates.push_back(Need::tag::held_in == precision::gate);
    auto* to = reinterpret_cast<E*>(memory.back().host.data());
    auto* exact = reinterpret_cast<ED*>(values.back().data());
    for (idx i = 0; i < count; ++i) {
      idx rest = i, at = 0;
      for (int a = Need::rank - 1; a >= 0; --a) at += rest % v.extents[a] * v.strides[a], rest /= v.extents[a];
      if constexpr (parts<E> == 2) {
        using Part = decltype(to[at].re);
        to[at] = {Part(float(draw<Need>())), Part(float(draw<Need>()))};
        exact[i] = {double(to[at].re), double(to[at].im)};
      } else {
        to[at] = E(float(draw<Need>()));
        exact[i] = double(to[at]);
      }
    }
    memory.back().up();
    v.data = reinterpret_cast<const E*>(memory.back().device);
    w.data = exact;
  }
  template <class... Need>
  void fill_all(list<Need...>) {
    (fill<Need>(), ...);
  }
};

/// States on the device; m and position too.
template <class M, class T>
struct device_state {
  using element = state_element<M, typename T::state>;
  using real = typename T::accumulate;
  idx sequences;
  int heads, n, d;
  both<element> S, z;
  both<real> m;
  both<idx> position;
  device_state(idx s, int h, int n_, int d_)
      : sequences(s),
        heads(h),
        n(n_),
        d(d_),
        S(s * h * n * d),
        z(traits<M>::needs_sum ? s * h * n : 0),
        m(traits<M>::stabilised ? s * h : 0),
        position(s) {}
  mutable_state<M, T> view_of() {
    mutable_state<M, T> v;
    v.S = view<element, 4>(S.device, sequences, heads, n, d);
    if (traits<M>::needs_sum) v.z = view<element, 3>(z.device, sequences, heads, n);
    if (traits<M>::stabilised) v.m = view<real, 2>(m.device, sequences, heads);
    v.position = view<idx, 1>(position.device, sequences);
    return v;
  }
  void spoil() { S.spoil(), z.spoil(), m.spoil(), position.spoil(); }
  void down() { S.down(), z.down(), m.down(), position.down(); }
};

/// Numbers of a state on both sides, positive where they are real, so that sums do not cancel.
template <class Device, class Exact>
void draw_state(std::mt19937& random, Device& device, Exact& exact) {
  std::normal_distribution<double> normal;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    using E = std::remove_cvref_t<decltype(device[i])>;
    if constexpr (parts<E> == 2) {
      using Part = decltype(device[i].re);
      device[i] = {Part(float(normal(random))), Part(float(normal(random)))};
      exact[i] = {double(device[i].re), double(device[i].im)};
    } else {
      device[i] = E(float(std::fabs(normal(random))));
      exact[i] = double(device[i]);
    }
  }
}
/// Captures call(on), and replays it twice, `spoil` before each.
template <class Call, class Spoil>
void replay(Call call, Spoil spoil) {
  cudaStream_t stream;
  cuda::checked(cudaStreamCreate(&stream), "cudaStreamCreate");
  cudaGraph_t graph;
  cudaGraphExec_t ready;
  cuda::checked(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "cudaStreamBeginCapture");
  call(device::cuda{stream});
  cuda::checked(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
  cuda::checked(cudaGraphInstantiate(&ready, graph, 0), "cudaGraphInstantiate");
  for (int k = 0; k < 2; ++k) {
    spoil();
    cuda::checked(cudaGraphLaunch(ready, stream), "cudaGraphLaunch");
    cuda::checked(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  }
  cudaGraphExecDestroy(ready), cudaGraphDestroy(graph), cudaStreamDestroy(stream);
}

template <class Subject, class Types>
struct law {
  using P = problem<Subject, Types>;
  using M = typename P::M;
  using T = typename P::T;
  using S = typename P::S;
  using R = typename T::accumulate;
  static constexpr bool linear = traits<M>::linear;
  static constexpr bool low = sizeof(S) == 2;
  double output_limit = low ? 5e-3 : std::is_same_v<R, double> ? 1e-11 : 1e-5;
  // quotients of sums that may cancel amplify rounding: a sum of signed weights gets a factor
  static constexpr double factor =
      traits<M>::needs_sum && (traits<M>::structure.correction != rank_one::none || traits<M>::complex_state) && linear ? 10 : 1;
  double gradient_limit = low ? 5e-3 : factor * output_limit;
  double gate_limit = low ? 1e-2 : gradient_limit;
  // dt_bias, A_log: sums over all tokens, of both signs, of what raw's gradient is made of, so its rounding stands before a smaller number
  double parameter_limit = low ? 0.1 : std::is_same_v<R, double> ? gate_limit : 1e-4;
  std::string line;
  int failed_before = total.failed;

  void see(const std::string& what, double error, double limit) {
    if (error <= limit) ++total.passed;
    else {
      ++total.failed;
      char text[200];
      std::snprintf(text, sizeof text, "    FAILED %s: %.1e > %.0e\n", what.c_str(), error, limit);
      line += text;
    }
  }
  template <class Form, class F>
  void guarded(const char* name, const std::string& where, F f) {
    try {
      f();
      cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    } catch (const std::exception& error) {
      see(where + " " + name + ": " + error.what(), NAN, 0);
      std::printf("%s%s\n", line.c_str(), error.what());
      std::fflush(stdout);
      if (dynamic_cast<const cuda_error*>(&error)) std::exit(1);
    }
  }

  struct worst {
    double y = 0, state = 0, gradient = 0;
    std::string stream;
  };

  template <class Form>
  void forward(P& p, Form f, const char* name, const std::vector<double>& y_ref, const std::vector<double>& S_ref,
               const std::vector<double>& captured_ref, worst& w, device_state<M, T>* initial, const std::vector<idx>& positions) {
    if constexpr (form_exists<Form, M>) {
      const extents& e = p.e;
      const idx rows = e.time - e.first_read;
      const bool captures = !positions.empty() && !std::is_same_v<Form, form::parallel>;
      both<S> y(e.batch * rows * e.readers * e.d), again(idx(y.host.size()));
      constexpr bool rows16 = cuda::has_rows_of_bf16<R, typename P::X>;
      if constexpr (rows16 &&
                    ((std::is_same_v<Form, form::chunkwise> && (cuda::has_sweep<M> || cuda::has_delta<M> || cuda::has_channel<M>)) ||
                     (std::is_same_v<Form, form::parallel> && cuda::has_flash<M>))) {
        const bool parallel = std::is_same_v<Form, form::parallel>;
        bool meant = p.c.tiled;
        if constexpr (!std::is_same_v<Form, form::parallel>) meant = meant && f.length == 0;
        meant = meant && (!parallel || (!initial && e.n == e.d));
        carried<M, T> both_states;
        if (initial) both_states.initial = initial->view_of(), both_states.final = initial->view_of();
        meant = meant && !(initial && traits<M>::structure.turns != turning::none);
        const bool took = chosen_kernel(device::cuda{}, f, p.x, both_states).find("sm_90a") != std::string::npos;
        if (cuda::hopper::available()) see(std::string(p.c.name) + " " + name + ": the kernel meant", meant == took ? 0 : 1, 0);
      }
      const view<S, 4> out(y.device, e.batch, rows, idx(e.readers), idx(e.d)), out2(again.device, e.batch, rows, idx(e.readers), idx(e.d));
      y.spoil(), again.spoil();
      const std::string where = std::string(p.c.name) + " " + name;
      guarded<Form>("forward", where, [&] {
        if constexpr (linear) {
          device_state<M, T> final(e.sequences, e.states, e.n, e.d), captured(e.sequences * idx(positions.size()), e.states, e.n, e.d);
          final.spoil(), captured.spoil();
          carried<M, T> c;
          if (initial) {
            c.initial = initial->view_of(), c.final = final.view_of();
            if (captures) c.positions = positions, c.captured = captured.view_of();
          }
          run(device::cuda{}, f, p.x, out, c);
          run(device::cuda{}, f, p.x, out2, c);
          cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
          if (initial) {
            final.down(), captured.down();
            const double error = state_error(final, S_ref);
            w.state = std::fmax(w.state, error);
            see(where + " final state", error, low ? 5e-3 : output_limit);
            if (captures) see(where + " captured states", state_error(captured, captured_ref), low ? 5e-3 : output_limit);
            bool counted = true;
            for (idx s = 0; s < e.sequences; ++s)
              counted = counted && final.position.host[std::size_t(s)] ==
                                       3 + (p.c.offsets.empty() ? e.time : p.c.offsets[std::size_t(s + 1)] - p.c.offsets[std::size_t(s)]);
            see(where + " positions", counted ? 0 : 1, 0);
          }
        } else {
          run(device::cuda{}, f, p.x, out);
          run(device::cuda{}, f, p.x, out2);
          cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
        }
        y.down(), again.down();
        error_sum sum;
        for (std::size_t i = 0; i < y.host.size(); ++i) sum.add(double(y.host[i]), y_ref[i]);
        w.y = std::isnan(sum.relative()) ? NAN : std::fmax(w.y, sum.relative());
        see(where + " y", sum.relative(), output_limit);
        see(where + " same bits twice", std::memcmp(y.host.data(), again.host.data(), y.host.size() * sizeof(S)) ? 1 : 0, 0);
        if (p.c.B > 1 && !initial && e.first_read == 0 && rows > 0) {  // a batch row alone
          auto alone = p.x;
          row_alone(alone, typename P::needs{});
          again.spoil();
          const view<S, 4> one(again.device, idx(1), rows, idx(e.readers), idx(e.d));
          run(device::cuda{}, f, alone, one);
          cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
          again.down();
          const std::size_t half = y.host.size() / 2;
          see(where + " row alone", std::memcmp(y.host.data() + half, again.host.data(), half * sizeof(S)) ? 1 : 0, 0);
        }
      });
    }
  }
  template <class X, class... Need>
  static void row_alone(X& x, list<Need...>) {
    (
        [&] {
          if (!Need::timed) return;
          auto& v = const_cast<stream_view<Need, const stored_t<Need, T>>&>(x.template of<Need>());
          v.data += v.strides[0];
          v.extents[0] = 1;
        }(),
        ...);
  }
  static double state_error(const device_state<M, T>& s, const std::vector<double>& want) {
    error_sum sum;
    std::size_t k = 0;
    const idx per = idx(s.n) * s.d;
    const auto add = [&](const auto& x, double factor) {
      if constexpr (parts<std::remove_cvref_t<decltype(x)>> == 2)
        sum.add(factor * double(x.re), want[k++]), sum.add(factor * double(x.im), want[k++]);
      else sum.add(factor * double(x), want[k++]);
    };
    const auto factor = [&](idx i) { return traits<M>::stabilised ? std::exp(double(s.m.host[std::size_t(i)])) : 1.0; };
    for (idx h = 0; h < s.sequences * s.heads; ++h)
      for (idx i = 0; i < per; ++i) add(s.S.host[std::size_t(h * per + i)], factor(h));
    if (traits<M>::needs_sum)
      for (idx h = 0; h < s.sequences * s.heads; ++h)
        for (idx i = 0; i < s.n; ++i) add(s.z.host[std::size_t(h * s.n + i)], factor(h));
    return sum.relative();
  }
  /// States that enter (i0 rounded, s0 what it then holds), and the gradients of those that leave; m of the former is 1/4, of gradients 0.
  static void draw_states(P& p, state<M, double>& s0, device_state<M, T>& i0, state<M, double>& dS, device_state<M, T>& dT,
                          state<M, double>& dS0) {
    draw_state(p.random, i0.S.host, s0.S), draw_state(p.random, i0.z.host, s0.z);
    draw_state(p.random, dT.S.host, dS.S), draw_state(p.random, dT.z.host, dS.z);
    for (std::size_t i = 0; i < s0.m.size(); ++i) s0.m[i] = 0.25, i0.m.host[i] = R(0.25), dS.m[i] = dS0.m[i] = 0;
    for (std::size_t i = 0; i < s0.position.size(); ++i) s0.position[i] = 3, i0.position.host[i] = 3;
    i0.S.up(), i0.z.up(), i0.m.up(), i0.position.up(), dT.S.up(), dT.z.up();
  }
  static std::vector<double> flat(const state<M, double>& s) {
    std::vector<double> out;
    const std::size_t per = std::size_t(s.n) * std::size_t(s.d);
    const auto put = [&](const auto& x, double f) {
      if constexpr (parts<std::remove_cvref_t<decltype(x)>> == 2) out.push_back(f * x.re), out.push_back(f * x.im);
      else out.push_back(f * x);
    };
    for (std::size_t i = 0; i < s.S.size(); ++i) put(s.S[i], traits<M>::stabilised ? std::exp(s.m[i / per]) : 1.0);
    for (std::size_t i = 0; i < s.z.size(); ++i) put(s.z[i], traits<M>::stabilised ? std::exp(s.m[i / std::size_t(s.n)]) : 1.0);
    return out;
  }

  // ---- gradients -----------------------------------------------------------------------------------------------------------
  template <class G, class... Need>
  static void bind(G& g, P& p, std::vector<both<unsigned char>>& memory, bool strided, list<Need...>) {
    memory.clear(), memory.reserve(20);
    (
        [&] {
          using E = stored_t<Need, T>;
          auto& v = const_cast<stream_view<Need, E>&>(g.template of<Need>());
          memory.emplace_back(p.template shape<Need>(v, strided) * idx(sizeof(E)));
          memory.back().spoil();
          v.data = reinterpret_cast<E*>(memory.back().device);
        }(),
        ...);
  }
  template <class G, class... Need>
  static void bind_ref(G& g, P& p, std::vector<std::vector<double>>& memory, list<Need...>) {
    memory.clear(), memory.reserve(20);
    (
        [&] {
          using E = stored_t<Need, types<double>>;
          auto& v = const_cast<stream_view<Need, E>&>(g.template of<Need>());
          memory.emplace_back(std::size_t(p.template shape<Need>(v, false) * parts<E>), double(NAN));
          v.data = reinterpret_cast<E*>(memory.back().data());
        }(),
        ...);
  }
  template <class G, class... Need>
  void compare(const std::string& where, const G& g, P& p, std::vector<both<unsigned char>>& got,
               const std::vector<std::vector<double>>& want, worst& w, list<Need...>) {
    int k = 0;
    (
        [&] {
          using E = stored_t<Need, T>;
          got[std::size_t(k)].down();
          const auto& v = g.template of<Need>();
          const E* from = reinterpret_cast<const E*>(got[std::size_t(k)].host.data());
          error_sum sum;
          double largest = 0, wanted = 0;
          if (p.c.T <= 1) sum.floor = 0.1;  // weights that add up to 1 have no gradient at one token, differences of terms near 1
          for (idx i = 0; i < v.size(); ++i) {
            idx rest = i, at = 0;
            for (int a = Need::rank - 1; a >= 0; --a) at += rest % v.extents[a] * v.strides[a], rest /= v.extents[a];
            if constexpr (parts<E> == 2) {
              sum.add(double(from[at].re), want[std::size_t(k)][std::size_t(2 * i)]);
              sum.add(double(from[at].im), want[std::size_t(k)][std::size_t(2 * i + 1)]);
            } else {
              const double x = double(from[at]), y = want[std::size_t(k)][std::size_t(i)];
              sum.add(x, y), wanted = std::fmax(wanted, std::fabs(y));
              if (!(std::fabs(x) <= largest)) largest = std::fabs(x);
            }
          }
          // one token without a state: its decay acts on nothing, and its gradient is a sum of nothing
          if (std::is_same_v<typename Need::tag, stream::log_decay> && p.c.T == 1 && !p.c.states && wanted == 0)
            see(where + " d" + Need::tag::name + ", exactly 0", largest, 0);
          const double error = sum.relative();
          if (!(error <= w.gradient)) w.gradient = error, w.stream = Need::tag::name;
          const bool parameter = cuda::numbers::decays_from_raw<M> && !Need::timed;
          see(where + " d" + Need::tag::name, error, parameter ? parameter_limit : p.gates[std::size_t(k)] ? gate_limit : gradient_limit);
          ++k;
        }(),
        ...);
  }
  template <class Form>
  void backward_of(P& p, Form f, const char* name, const both<S>& dy, const std::vector<std::vector<double>>& want,
                   const std::vector<double>& dS0_ref, device_state<M, T>* initial, device_state<M, T>* dS, worst& w) {
    if constexpr (form_exists<Form, M>) {
      const extents& e = p.e;
      const std::string where = std::string(p.c.name) + " " + name + " backward";
      guarded<Form>("backward", where, [&] {
        gradients<M, T, typename P::H, P::O> g, again;
        std::vector<both<unsigned char>> memory, memory2;
        bind(g, p, memory, p.c.strided, typename P::needs{});
        bind(again, p, memory2, p.c.strided, typename P::needs{});
        const view<const S, 4> d(static_cast<const S*>(dy.device), e.batch, e.time, idx(e.readers), idx(e.d));
        if constexpr (linear) {
          device_state<M, T> d0(e.sequences, e.states, e.n, e.d);
          d0.spoil();
          carried<M, T> c;
          carried_gradients<M, T> s;
          if (initial) c.initial = initial->view_of(), s.final = dS->view_of(), s.initial = d0.view_of();
          backward(device::cuda{}, f, p.x, d, g, c, s);
          backward(device::cuda{}, f, p.x, d, again, c, s);
          cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
          if (initial) {
            d0.down();
            for (auto& m : d0.m.host) m = 0;
            const double error = state_error(d0, dS0_ref);
            if (!(error <= w.gradient)) w.gradient = error, w.stream = "S0";
            see(where + " dS0", error, gradient_limit);
          }
        } else {
          backward(device::cuda{}, f, p.x, d, g);
          backward(device::cuda{}, f, p.x, d, again);
          cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
        }
        compare(where, g, p, memory, want, w, typename P::needs{});
        bool same = true;
        for (std::size_t k = 0; k < memory.size(); ++k) {
          memory2[k].down();
          same = same && !std::memcmp(memory[k].host.data(), memory2[k].host.data(), memory[k].host.size());
        }
        see(where + " same bits twice", same ? 0 : 1, 0);
      });
    }
  }

  void operator()() {
    worst w[4];
    const char* const forms[] = {"definition", "recurrent", "chunkwise", "parallel"};
    for (const config& c : configs()) {
      if (small && (c.T > 49 || c.first_read > 0)) continue;
      if (c.tiled && !std::is_same_v<S, bf16>) continue;
      if (c.tiled && c.T != 200 && !cuda::has_sweep<M> && !cuda::has_delta<M> && !cuda::has_channel<M> && !cuda::has_flash<M>)
        continue;  // one such size for the generic engine
      P p(c);
      const extents& e = p.e;
      const idx rows = e.time - e.first_read;
      std::normal_distribution<double> normal;
      std::vector<double> y_ref(std::size_t(e.batch * rows * e.readers * e.d)), S_ref, captured_ref, dS0_ref;
      const view<double, 4> y(y_ref.data(), e.batch, rows, idx(e.readers), idx(e.d));
      const bool gradients_too = e.first_read == 0;
      both<S> dy(e.batch * e.time * e.readers * e.d);
      std::vector<double> dy_ref(dy.host.size());
      for (std::size_t i = 0; i < dy.host.size(); ++i) dy.host[i] = S(float(normal(p.random))), dy_ref[i] = double(dy.host[i]);
      dy.up();
      const view<const double, 4> dyv(static_cast<const double*>(dy_ref.data()), e.batch, e.time, idx(e.readers), idx(e.d));
      gradients<M, double, typename P::H, P::O> gd;
      std::vector<std::vector<double>> want;
      if (gradients_too) bind_ref(gd, p, want, typename P::needs{});
      if constexpr (linear) {
        std::vector<idx> positions;
        if (c.states && !c.tiled) positions = {0, c.T / 3, c.T};
        state<M, double> s0(e), sT(e), sc(e.sequences * idx(positions.size()), e.states, e.n, e.d), dS(e), dS0(e);
        device_state<M, T> i0(e.sequences, e.states, e.n, e.d), dT(e.sequences, e.states, e.n, e.d);
        draw_states(p, s0, i0, dS, dT, dS0);
        carried<M, types<double>> carry_ref;
        carried_gradients<M, types<double>> gradient_ref;
        if (c.states) {
          carry_ref.initial = s0, carry_ref.final = sT;
          carry_ref.positions = positions, carry_ref.captured = sc;
          gradient_ref.final = dS, gradient_ref.initial = dS0;
        }
        run(device::cpu{serial{}}, form::definition{}, p.ref, y, carry_ref);
        S_ref = flat(sT), captured_ref = flat(sc);
        device_state<M, T>* initial = c.states ? &i0 : nullptr;
        forward(p, form::definition{}, "definition", y_ref, S_ref, captured_ref, w[0], initial, positions);
        forward(p, form::recurrent{}, "recurrent", y_ref, S_ref, captured_ref, w[1], initial, positions);
        forward(p, form::chunkwise{}, "chunkwise", y_ref, S_ref, captured_ref, w[2], initial, positions);
        if (c.T <= 8) forward(p, form::step{}, "step", y_ref, S_ref, captured_ref, w[1], initial, positions);
        if (c.T < 100) forward(p, form::chunkwise{7}, "chunkwise 7", y_ref, S_ref, captured_ref, w[2], initial, positions);
        forward(p, form::parallel{}, "parallel", y_ref, S_ref, captured_ref, w[3], initial, positions);
        if (gradients_too) {
          carry_ref.final = {}, carry_ref.captured = {}, carry_ref.positions = {};
          if (form_exists<form::chunkwise, M> && traits<M>::structured) {
            if constexpr (form_exists<form::chunkwise, M>)
              backward(device::cpu{serial{}}, form::chunkwise{}, p.ref, dyv, gd, carry_ref, gradient_ref);
          } else {
            backward(device::cpu{serial{}}, form::recurrent{}, p.ref, dyv, gd, carry_ref, gradient_ref);
          }
          for (auto& m : dS0.m) m = 0;
          dS0_ref = flat(dS0);
          device_state<M, T>* dTp = c.states ? &dT : nullptr;
          backward_of(p, form::recurrent{}, "recurrent", dy, want, dS0_ref, initial, dTp, w[1]);
          backward_of(p, form::chunkwise{}, "chunkwise", dy, want, dS0_ref, initial, dTp, w[2]);
          if (c.T < 100) backward_of(p, form::chunkwise{7}, "chunkwise 7", dy, want, dS0_ref, initial, dTp, w[2]);
          backward_of(p, form::parallel{}, "parallel", dy, want, dS0_ref, initial, dTp, w[3]);
        }
      } else {
        run(device::cpu{serial{}}, form::definition{}, p.ref, y);
        forward(p, form::definition{}, "definition", y_ref, S_ref, captured_ref, w[0], nullptr, {});
        forward(p, form::parallel{}, "parallel", y_ref, S_ref, captured_ref, w[3], nullptr, {});
        if (gradients_too) {
          backward(device::cpu{serial{}}, form::definition{}, p.ref, dyv, gd);
          backward_of(p, form::definition{}, "definition", dy, want, dS0_ref, nullptr, nullptr, w[0]);
          backward_of(p, form::parallel{}, "parallel", dy, want, dS0_ref, nullptr, nullptr, w[3]);
        }
      }
    }
    const char* type = low ? (std::is_same_v<S, bf16> ? "bf16" : "half") : std::is_same_v<R, double> ? "f64" : "f32";
    std::printf("%s %-32s %-4s", total.failed == failed_before ? "ok  " : "FAIL", Subject::name, type);
    for (int f = 0; f < 4; ++f)
      if (w[f].y > 0 || std::isnan(w[f].y)) {
        std::printf(" | %.3s y %.0e", forms[f], w[f].y);
        if (w[f].state > 0) std::printf(" S %.0e", w[f].state);
        if (w[f].gradient > 0 || std::isnan(w[f].gradient)) std::printf(" d%s %.0e", w[f].stream.c_str(), w[f].gradient);
      }
    std::printf("\n");
    if (!line.empty()) std::printf("%.1500s", line.c_str());
    std::fflush(stdout);
  }
};

}  // namespace gpu_test
