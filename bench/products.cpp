// SPDX-License-Identifier: MIT
// Throughput of the CPU products on one thread, beside the fused multiply-add peak measured for the same target.
#include <chrono>
#include <coefdyn/cpu/targets.hpp>
#include <cstdio>
#include <random>

namespace {

using namespace coefdyn;
using cpu::products;
using cpu::target;

/// The best of several timings, in seconds per call.
template <class F>
double seconds(F call) {
  using clock = std::chrono::steady_clock;
  double best = 1e30;
  for (int round = 0, calls = 1; round < 12;) {
    const auto start = clock::now();
    for (int i = 0; i < calls; ++i) call();
    const double passed = std::chrono::duration<double>(clock::now() - start).count();
    if (passed < 2e-3) {
      calls *= 2;
      continue;
    }
    best = passed / calls < best ? passed / calls : best;
    ++round;
  }
  return best;
}

/// Independent chains of fused multiply-adds, nothing else.
template <class Shape>
struct peak_loop {
  using R = typename Shape::real;
  using P = cpu::pack<R, Shape::bytes>;
  using V = typename P::type;
  static constexpr int chains = 12, steps = 1000;

  [[gnu::always_inline]] static inline void run(R* out) { run(out, std::make_integer_sequence<int, chains>{}); }

  template <int... I>
  [[gnu::always_inline]] static inline void run(R* out, std::integer_sequence<int, I...>) {
    V sum[chains], factor, more;
    P::load(factor, out);
    P::load(more, out + P::width);
    ((sum[I] = factor * R(I)), ...);
    for (int i = 0; i < steps; ++i) ((sum[I] = sum[I] * factor + more), ...);
    V total{};
    ((total += sum[I]), ...);
    P::store(total, out + 2 * P::width);
  }
  static double gflops() {
    R out[3 * P::width];
    for (R& x : out) x = R(0.5);
    const double t = seconds([&] { Shape::template enter<peak_loop, R*>(out); });
    return 2.0 * chains * steps * P::width / t * 1e-9;
  }
};

template <class R>
double peak(target t) {
#if defined(__x86_64__)
  if (t == target::avx512 || t == target::avx512_bf16) return peak_loop<cpu::avx512_shape<R>>::gflops();
  if (t == target::avx2) return peak_loop<cpu::avx2_shape<R>>::gflops();
#endif
  return peak_loop<cpu::neon_shape<R>>::gflops();
}

template <class R>
struct alignas(64) numbers {
  R all[128 * 128];
  numbers(R from, R to) {
    static std::mt19937 random(1);
    for (R& x : all) x = std::uniform_real_distribution<R>(from, to)(random);
  }
  const R* data() const { return all; }
  R* data() { return all; }
};

template <class R>
void bench(target t, const char* name) {
  const products<R> p = products<R>::on(t);
  const double top = peak<R>(t);
  std::printf("\n%s %s: peak %.0f GFLOP/s\n", name, sizeof(R) == 4 ? "float" : "double", top);
  const auto A = numbers<R>(-1, 1), B = numbers<R>(-1, 1), g = numbers<R>(-1, 0);
  const auto L = numbers<R>(R(-0.01), R(0.01));
  auto C = numbers<R>(-1, 1), y = numbers<R>(-1, 1);
  const R *a = A.data(), *b = B.data();
  R* c = C.data();
  auto line = [&](const char* kernel, int m, int n, int k, double flops, double time) {
    std::printf("  %-24s %3d %3d %3d  %7.1f GFLOP/s  %3.0f %%\n", kernel, m, n, k, flops / time * 1e-9, flops / time * 1e-7 / top);
  };
  const int shapes[][3] = {{16, 128, 128}, {32, 128, 128}, {64, 128, 128}, {128, 128, 128}, {64, 64, 64},
                           {64, 64, 128},  {64, 128, 64},  {128, 128, 64}, {32, 64, 64}};
  for (const auto& [m, n, k] : shapes) {
    const double flops = 2.0 * m * n * k;
    line("nn", m, n, k, flops, seconds([&] { p.nn(m, n, k, a, k, b, n, c, n); }));
    line("nt", m, n, k, flops, seconds([&] { p.nt(m, n, k, a, k, b, k, c, n); }));
    line("tn", m, n, k, flops, seconds([&] { p.tn(m, n, k, a, m, b, n, c, n); }));
  }
  for (int m : {16, 32, 64, 128}) {
    const int n = 128;
    const double half = 1.0 * m * (m + 1) * n;
    line("nt_lower", m, m, n, half, seconds([&] { p.nt_lower(m, n, a, n, b, n, c, m); }));
    line("nn_lower_left", m, n, m, half, seconds([&] { p.nn_lower_left(m, n, a, m, b, n, c, n); }));
    line("tn_lower_left", m, n, m, half, seconds([&] { p.tn_lower_left(m, n, a, m, b, n, c, n); }));
    auto X = B;
    line("solve_lower", m, n, m, half, seconds([&] { p.solve_lower(m, n, L.data(), m, X.data(), n); }));
    line("solve_lower_transposed", m, n, m, half, seconds([&] { p.solve_lower_transposed(m, n, L.data(), m, X.data(), n); }));
  }
  auto rate = [&](const char* kernel, int m, int n, double bytes, double time) {
    std::printf("  %-24s %3d %3d      %7.1f GB/s  %7.2f G entries/s\n", kernel, m, n, bytes / time * 1e-9, 1.0 * m * n / time * 1e-9);
  };
  for (int m : {32, 64}) {
    const int n = 64;
    const double entries = 1.0 * m * n * sizeof(R);
    rate("exp", m, n, 2 * entries, seconds([&] { p.exp(m * n, g.data(), c); }));
    rate("scale_rows", m, n, 2 * entries, seconds([&] { p.scale_rows(m, n, g.data(), a, n, c, n); }));
    rate("multiply", m, n, 3 * entries, seconds([&] { p.multiply(m, n, g.data(), n, a, n, c, n); }));
    rate("multiply_add", m, n, 4 * entries, seconds([&] { p.multiply_add(m, n, g.data(), n, a, n, c, n); }));
    rate("add", m, n, 3 * entries, seconds([&] { p.add(m, n, a, n, c, n); }));
    rate("row_dots", m, n, 2 * entries, seconds([&] { p.row_dots(m, n, a, n, b, n, y.data()); }));
    rate("col_dots", m, n, 2 * entries, seconds([&] { p.col_dots(m, n, a, n, b, n, y.data()); }));
  }
  for (int m : {16, 32}) {
    const double time = seconds([&] { p.decayed_gram_lower(m, 128, a, 128, b, 128, g.data(), 128, c, m); });
    std::printf("  %-24s %3d %3d      %7.0f ns, %.0f a row\n", "decayed_gram_lower", m, 128, time * 1e9, time * 1e9 / m);
  }
  for (int n : {64, 128}) {
    const double time = seconds([&] { p.step(n, n, g.data(), a, b, a + 128, c, n, y.data()); });
    rate("step", n, n, 2.0 * n * n * sizeof(R), time);
  }
}

}  // namespace

int main() {
  const char* names[] = {"portable", "neon", "avx2", "avx512", "avx512_bf16"};
  for (target t : {target::avx512_bf16, target::avx512, target::avx2, target::neon, target::portable})
    if (cpu::has_target(t)) {
      bench<float>(t, names[static_cast<int>(t)]);
      if (t != target::avx512_bf16) bench<double>(t, names[static_cast<int>(t)]);
    }
}
