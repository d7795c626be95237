// SPDX-License-Identifier: MIT
// The CPU forms beside the machine's own limits, measured in the same run: the fused multiply-add peak, streaming the
// state, and the token loop written by hand with Eigen.
//
//   g++ -std=c++20 -O2 -fopenmp -Iinclude -I/usr/include/eigen3 bench/cpu_forms.cpp -o cpu_forms
//   taskset -c 1 ./cpu_forms [--json] [--quick] [--mixer=NAME] [--form=ROW] [--n=N] [--length=C]
//
// GFLOP/s counts the formula's operations (whole C x C blocks), whatever the kernel skips or repeats.
#include <coefdyn/coefdyn.hpp>
#include <coefdyn/cpu/backward.hpp>
#include <coefdyn/cpu/targets.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "eigen_by_hand.hpp"

namespace {

using namespace coefdyn;

struct options {
  bool json = false, quick = false;
  std::string mixer, form;
  int n = 0, length = 0;
} chosen_options;

/// Time of this thread alone, so that other programs on the machine do not count; of the wall for more threads.
enum class timer { thread, wall };
double now(timer which = timer::thread) {
  timespec t;
  clock_gettime(which == timer::thread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

/// The best of several calls, in seconds.
template <class F>
double seconds(F call, timer which = timer::thread) {
  double best = 1e30, spent = 0;
  const double enough = chosen_options.quick ? 0.25 : 1.0;
  for (int round = 0; round < 5 || (spent < enough && round < 400); ++round) {
    const double start = now(which);
    call();
    const double passed = now(which) - start;
    best = passed < best ? passed : best;
    spent += passed;
  }
  return best;
}
/// The same of a call too short for the clock.
template <class F>
double seconds_of_short(F call) {
  int calls = 1;
  for (;; calls *= 2) {
    const double start = now();
    for (int i = 0; i < calls; ++i) call();
    if (now() - start > 1e-3) break;
  }
  return seconds([&] {
           for (int i = 0; i < calls; ++i) call();
         }) /
         calls;
}

/// Independent chains of fused multiply-adds.
template <class Shape>
struct peak_loop {
  using R = typename Shape::real;
  using P = cpu::pack<R, Shape::bytes>;
  static constexpr int chains = 12, steps = 1000;
  [[gnu::always_inline]] static inline void run(R* out) { run(out, std::make_integer_sequence<int, chains>{}); }
  template <int... I>
  [[gnu::always_inline]] static inline void run(R* out, std::integer_sequence<int, I...>) {
    typename P::type sum[chains], factor, more, total{};
    P::load(factor, out);
    P::load(more, out + P::width);
    ((sum[I] = factor * R(I)), ...);
    for (int i = 0; i < steps; ++i) ((sum[I] = sum[I] * factor + more), ...);
    ((total += sum[I]), ...);
    P::store(total, out + 2 * P::width);
  }
  static double gflops() {
    R out[3 * P::width];
    for (R& x : out) x = R(0.5);
    return 2e-9 * chains * steps * P::width / seconds_of_short([&] { Shape::template enter<peak_loop, R*>(out); });
  }
};
/// Numbers read, scaled and written, eight vectors at a time: what a pass over a state costs at least.
template <class Shape>
struct stream_loop {
  using R = typename Shape::real;
  using P = cpu::pack<R, Shape::bytes>;
  static constexpr int together = 8;
  [[gnu::always_inline]] static inline void run(R* x, idx count) { run(x, count, std::make_integer_sequence<int, together>{}); }
  template <int... I>
  [[gnu::always_inline]] static inline void run(R* x, idx count, std::integer_sequence<int, I...>) {
    typename P::type v[together];
    for (R* const end = x + count; x != end; x += together * P::width) {
      (P::load(v[I], x + I * P::width), ...);
      (P::store(v[I] * R(0.999), x + I * P::width), ...);
    }
  }
};
/// Calls f with the shape of this machine's best target.
template <class R, class F>
auto with_shape(F f) {
#if defined(__x86_64__)
  if (cpu::best_target() == cpu::target::avx512) return f(cpu::avx512_shape<R>{});
  if (cpu::best_target() == cpu::target::avx2) return f(cpu::avx2_shape<R>{});
#endif
  return f(cpu::neon_shape<R>{});
}
template <class R>
double peak() {
  return with_shape<R>([]<class Shape>(Shape) { return peak_loop<Shape>::gflops(); });
}

/// Whether a row of the table is asked for.
bool wanted(const std::string& form, int n) {
  return (chosen_options.form.empty() || form == chosen_options.form) && (!chosen_options.n || chosen_options.n == n);
}

/// Inputs of a mixer with plausible values: unit keys, gates between e^-0.05 and 1.
template <class M, class Types>
struct problem {
  using X = tokens<M, Types>;
  using R = typename X::real;
  using S = typename X::types_type::storage;
  idx B, T;
  int H, n, d;
  X x;
  gradients<M, Types> g;
  std::vector<std::vector<char>> memory;
  std::vector<S> y, dy;
  std::mt19937 random{11};

  problem(idx batch, idx time, int heads, int keys, int values) : B(batch), T(time), H(heads), n(keys), d(values) {
    memory.reserve(64);
    all(typename X::needs{});
    y.assign(static_cast<std::size_t>(B * T * H * d), S(0.f));
    dy.resize(y.size());
    std::normal_distribution<float> normal;
    for (S& v : dy) v = S(normal(random));
  }
  view<S, 4> out() { return view(y.data(), B, T, idx(H), idx(d)); }
  view<const S, 4> out_gradient() const { return view(dy.data(), B, T, idx(H), idx(d)); }

 private:
  template <class... Need>
  void all(list<Need...>) {
    (fill<Need>(), ...);
  }
  template <class Need>
  void fill() {
    using E = coefdyn::detail::stored_as<Need, typename X::types_type>;
    extents e;
    e.batch = B, e.time = T, e.readers = e.queries = e.states = e.keys = H, e.n = n, e.d = d;
    idx shape[5] = {}, count = 1;
    coefdyn::detail::expected_shape<Need, M>(e, shape);
    for (int a = 0; a < Need::rank; ++a) count *= shape[a];
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<float> unit(0, 1);
    using Tag = typename Need::tag;
    const float size = 1 / std::sqrt(float(n));
    const auto bytes = static_cast<std::size_t>(count) * sizeof(E);
    memory.emplace_back(bytes);
    E* p = reinterpret_cast<E*>(memory.back().data());
    for (idx i = 0; i < count; ++i) {
      float value = normal(random) * size;
      if (std::is_same_v<Tag, stream::log_decay>) value = -0.05f * unit(random);
      if (std::is_same_v<Tag, stream::beta> || std::is_same_v<Tag, stream::delta>) value = unit(random);
      if (std::is_same_v<Tag, stream::v> || std::is_same_v<Tag, stream::q>) value = normal(random);
      if (std::is_same_v<Tag, stream::a>) value *= -0.1f;
      p[i] = static_cast<E>(value);
    }
    memory.emplace_back(bytes);
    bind(x.template of<Need>(), p, shape);
    bind(g.template of<Need>(), reinterpret_cast<E*>(memory.back().data()), shape);
  }
  template <class V, class E>
  static void bind(const V& to, E* p, const idx* shape) {
    V& v = const_cast<V&>(to);
    v.data = p;
    idx stride = 1;
    for (int a = V::rank - 1; a >= 0; --a) v.extents[a] = shape[a], v.strides[a] = stride, stride *= shape[a];
  }
};

struct result {
  const char *mixer, *type, *form;
  int n;
  idx T;
  int length;                               // chunk or tile; 0: none
  double ms, heads, gflops, share, beside;  // token-heads per second; of the peak; time of the loop beside it over ours
  const char* what;                         // that loop
};
void print(const result& r) {
  if (chosen_options.json)
    std::printf(
        "{\"mixer\": \"%s\", \"type\": \"%s\", \"form\": \"%s\", \"n\": %d, \"d\": %d, \"T\": %lld, \"H\": 8, \"length\": %d, \"ms\": "
        "%.4f, "
        "\"token_heads_per_s\": %.0f, \"gflops\": %.2f, \"share_of_peak\": %.4f, \"beside\": \"%s\", \"ratio\": %.3f}\n",
        r.mixer, r.type, r.form, r.n, r.n, static_cast<long long>(r.T), r.length, r.ms, r.heads, r.gflops, r.share, r.what, r.beside);
  else
    std::printf("%-18s %-5s %-20s %4d %6lld %4d %10.3f %8.0f %8.1f %6.1f %% %s %s\n", r.mixer, r.type, r.form, r.n,
                static_cast<long long>(r.T), r.length, r.ms, r.heads * 1e-3, r.gflops, 100 * r.share, r.what,
                r.beside > 0 ? std::to_string(r.beside).substr(0, 4).c_str() : "");
  std::fflush(stdout);
}

/// Operations per token-head, forward and backward, for n = d and blocks of C tokens.
struct scalar_count {
  static double forward(double n, double C, double) { return 4 * n * n + 4 * C * n; }
  static double backward(double n, double C, double) { return 10 * n * n + 10 * C * n; }
};
struct delta_count {
  static double forward(double n, double C, double) { return 6 * n * n + 8 * C * n + 2 * C * C / 3; }
  static double backward(double n, double C, double) { return 18 * n * n + 20 * C * n; }
};
struct rank_one_count {
  static double forward(double n, double C, double) { return 8 * n * n + 16 * C * n; }
  static double backward(double n, double C, double) { return 20 * n * n + 28 * C * n; }
};
struct attention_count {
  static double forward(double n, double, double T) { return 2 * T * n; }
  static double backward(double n, double, double T) { return 5 * T * n; }
};

double peak_of[2];  // float, double
template <class R>
double peak_for() {
  return peak_of[sizeof(R) == 8];
}

template <class M, class Types, class Count, class Form>
void time_form(const char* mixer, const char* type, const char* name, Form form, int n, idx T, bool also_backward, double by_hand) {
  constexpr int H = 8;
  const std::string forward = name, on_two = forward + ", 2 threads", back = forward + " backward";
  also_backward = also_backward && wanted(back, n);
  if (!wanted(forward, n) && !wanted(on_two, n) && !also_backward) return;
  problem<M, Types> p(1, T, H, n, n);
  using R = typename problem<M, Types>::R;
  const bool parallel = std::is_same_v<Form, form::parallel>;
  const int length = std::is_same_v<Form, form::recurrent> ? 0
                     : chosen_options.length && !parallel  ? chosen_options.length
                     : parallel                            ? cpu::tuning_for<M, R>(n, n).tile
                                                           : cpu::tuning_for<M, R>(n, n).chunk;
  const int backward_length = chosen_options.length || parallel ? length : cpu::tuning_for<M, R>(n, n).backward_chunk;
  const double heads = double(T) * H;
  const auto report = [&](const std::string& what, double s, double count, double other, const char* label) {
    print({mixer, type, what.c_str(), n, T, what == back ? backward_length : length, s * 1e3, heads / s, heads * count / s * 1e-9,
           heads * count / s * 1e-9 / peak_for<R>(), other, label});
  };
  if (wanted(forward, n) || wanted(on_two, n)) {
    const device::cpu<serial> on{};
    std::vector<std::byte> memory(workspace_bytes(on, form, p.x) + 64);
    const workspace ws = workspace(memory).subspan((64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64);
    const double s = seconds([&] { run(on, form, p.x, p.out(), {}, ws); });
    report(forward, s, Count::forward(n, length, double(T)), by_hand > 0 ? by_hand * double(T) / s : 0, by_hand > 0 ? "Eigen loop x" : "");
#if defined(_OPENMP)
    if (omp_get_num_procs() > 1 && wanted(on_two, n)) {
      const device::cpu<openmp> two{openmp{2}};
      std::vector<std::byte> more(workspace_bytes(two, form, p.x) + 64);
      const workspace ws2 = workspace(more).subspan((64 - reinterpret_cast<std::uintptr_t>(more.data()) % 64) % 64);
      const double s2 = seconds([&] { run(two, form, p.x, p.out(), {}, ws2); }, timer::wall);
      const double s1 = seconds([&] { run(on, form, p.x, p.out(), {}, ws); }, timer::wall);
      report(on_two, s2, Count::forward(n, length, double(T)), s1 / s2, "one thread x");
    }
#endif
  }
  if (also_backward) {
    const device::cpu<serial> on{};
    std::vector<std::byte> memory(backward_workspace_bytes(on, form, p.x) + 64);
    const workspace ws = workspace(memory).subspan((64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64);
    const double s = seconds([&] { backward(on, form, p.x, p.out_gradient(), p.g, {}, {}, ws); });
    report(back, s, Count::backward(n, backward_length, double(T)), 0, "");
  }
}

/// One token for each of B sequences: the states pass through once.
template <class M>
void time_step(const char* mixer, int n, idx B) {
  constexpr int H = 8;
  const std::string form = "step, B = " + std::to_string(B);
  if (!wanted(form, n)) return;
  problem<M, float> p(B, 1, H, n, n);
  state<M, float> s(extents_of(p.x));
  const device::cpu<serial> on{};
  std::vector<std::byte> memory(workspace_bytes(on, form::step{}, p.x) + 64);
  const workspace ws = workspace(memory).subspan((64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64);
  const carry<M, float> c{s, s, {}, {}};
  const double t = seconds_of_short([&] { run(on, form::step{}, p.x, p.out(), c, ws); });
  const double stream = seconds_of_short([&] {
    with_shape<float>([&]<class Shape>(Shape) { Shape::template enter<stream_loop<Shape>, float*, idx>(s.S.data(), idx(s.S.size())); });
  });
  const double heads = double(B) * H;
  print({mixer, "f32", form.c_str(), n, 1, 0, t * 1e3, heads / t, heads * 8 * n * n * 1e-9 / t, 0, t / stream, "of streaming the state x"});
}

template <class M, class Count, class Loop>
void linear_mixer(const char* name, Loop loop, bool wide = true) {
  if (!chosen_options.mixer.empty() && chosen_options.mixer != name) return;
  for (int n : {128, 64}) {
    double by_hand = 0;
    if constexpr (!std::is_same_v<Loop, std::nullptr_t>) by_hand = loop(n);
    for (idx T : {idx(1024), idx(8192)})
      if (T == 1024 || !chosen_options.quick)
        time_form<M, float, Count>(name, "f32", "chunkwise", form::chunkwise{chosen_options.length}, n, T, true, by_hand);
    time_form<M, float, Count>(name, "f32", "recurrent", form::recurrent{}, n, 1024, false, by_hand);
    for (idx B : {idx(1), idx(64), idx(256)}) time_step<M>(name, n, B);
    if (wide) {
      time_form<M, bf16, Count>(name, "bf16", "chunkwise", form::chunkwise{chosen_options.length}, n, 1024, false, 0);
      time_form<M, double, Count>(name, "f64", "chunkwise", form::chunkwise{chosen_options.length}, n, 1024, false, 0);
    }
  }
}
template <class M, class Count>
void nonlinear_mixer(const char* name, bool wide = true) {
  if (!chosen_options.mixer.empty() && chosen_options.mixer != name) return;
  for (int n : {128, 64})
    for (idx T : {idx(1024), idx(8192)})
      if (T == 1024 || !chosen_options.quick) {
        time_form<M, float, Count>(name, "f32", "parallel", form::parallel{}, n, T, true, 0);
        if (wide) time_form<M, bf16, Count>(name, "bf16", "parallel", form::parallel{}, n, T, false, 0);
      }
}

/// Seconds per token of all 8 heads of a loop of eigen_by_hand.hpp.
template <class Loop>
auto by_hand(Loop loop) {
  return [loop](int n) {
    constexpr int T = 256, H = 8;
    const eigen_by_hand::inputs in(T, H, n);
    std::vector<float> y(in.q.size());
    return seconds([&] { loop(in, y.data()); }) / T;
  };
}

namespace r = readout;
namespace ev = evolution;
namespace sc = scaling;
namespace no = normalization;

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--json")) chosen_options.json = true;
    if (!std::strcmp(argv[i], "--quick")) chosen_options.quick = true;
    if (!std::strncmp(argv[i], "--mixer=", 8)) chosen_options.mixer = argv[i] + 8;
    if (!std::strncmp(argv[i], "--form=", 7)) chosen_options.form = argv[i] + 7;
    if (!std::strncmp(argv[i], "--length=", 9)) chosen_options.length = std::atoi(argv[i] + 9);
    if (!std::strncmp(argv[i], "--n=", 4)) chosen_options.n = std::atoi(argv[i] + 4);
  }
  peak_of[0] = peak<float>(), peak_of[1] = peak<double>();
  constexpr const char* targets[] = {"portable", "NEON", "AVX2", "AVX-512"};
  if (chosen_options.json)
    std::printf("{\"target\": \"%s\", \"peak_gflops_f32\": %.1f, \"peak_gflops_f64\": %.1f}\n",
                targets[int(cpu::products<float>::best().where())], peak_of[0], peak_of[1]);
  else
    std::printf(
        "target %s, FMA peak of one core: %.1f GFLOP/s float, %.1f double; H = 8, n = d\n%-18s %-5s %-20s %4s %6s %4s %10s %8s %8s %8s\n",
        targets[int(cpu::products<float>::best().where())], peak_of[0], peak_of[1], "mixer", "type", "form", "n", "T", "C", "ms", "kth/s",
        "GFLOP/s", "of peak");
  using mamba2 = mixer<r::linear, ev::scalar, sc::delta, no::one>;
  using gdn = mixer<r::linear, ev::gated_householder<>, sc::beta, no::one>;
  linear_mixer<gdn, delta_count>("gated_delta_net", by_hand(eigen_by_hand::gated_delta_net));
  linear_mixer<mamba2, scalar_count>("mamba2", by_hand(eigen_by_hand::mamba2));
  linear_mixer<mixer<r::linear, ev::identity, sc::one, no::one>, scalar_count>("linear_attention", nullptr, false);
  linear_mixer<mixer<r::linear, ev::identity, sc::one, no::sum, feature::elu_plus_one>, scalar_count>("elu1_attention", nullptr, false);
  linear_mixer<mixer<r::linear, ev::scalar, sc::exp_input, no::floored_sum>, scalar_count>("mlstm", nullptr, false);
  linear_mixer<mixer<r::linear, ev::diagonal, sc::one, no::one>, scalar_count>("gla", nullptr);
  linear_mixer<mixer<r::linear, ev::diagonal, sc::one_minus_lambda, no::one>, scalar_count>("hgrn2", nullptr, false);
  linear_mixer<mixer<r::linear, ev::diagonal_householder<>, sc::beta, no::one>, delta_count>("kda", nullptr, false);
  linear_mixer<mixer<r::linear, ev::diagonal_plus_rank_one, sc::one, no::one>, rank_one_count>("rwkv7", nullptr, false);
  nonlinear_mixer<mixer<r::exponential, ev::identity, sc::inverse_sqrt_dim, no::sum>, attention_count>("softmax");
  nonlinear_mixer<mixer<r::relu, ev::identity, sc::inverse_sqrt_dim, no::one>, attention_count>("relu", false);
  nonlinear_mixer<mixer<r::sigmoid, ev::scalar, sc::inverse_sqrt_dim, no::sum>, attention_count>("sigmoid_decay", false);
}
