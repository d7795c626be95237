// SPDX-License-Identifier: MIT
#include <sys/resource.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <chrono>
#include <coefdyn/coefdyn.hpp>
#include <coefdyn/spectrum/dense.hpp>
#include <coefdyn/spectrum/eigenvalues.hpp>
#include <coefdyn/spectrum/rank_one.hpp>
#include <cstdio>
#include <numeric>
#include <random>
#include <vector>

/// g++ -std=c++20 -O2 -Iinclude -I/usr/include/eigen3 bench/spectrum.cpp -o spectrum && taskset -c 1 ./spectrum
///
/// Structured eigenvalues against Eigen's dense ones (EigenSolver without vectors), same flags, one thread. The error
/// is the largest distance of a structured eigenvalue from the nearest dense one.
namespace {
using namespace coefdyn::spectrum;
using number = std::complex<double>;

constexpr std::size_t matrices = 32;

struct inputs {
  const char* name;
  double floor;  // the ratio to reach at n = 64
  std::size_t n;
  std::vector<double> w, p;  // matrices x n
};

inputs draw(const char* name, double floor, std::size_t n, unsigned kind) {
  std::mt19937 engine(7);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform(0, 1);
  inputs x{name, floor, n, {}, {}};
  for (std::size_t i = 0; i < matrices * n; ++i) {
    const double square = normal(engine) * normal(engine) / double(n), one = std::abs(square), u = uniform(engine);
    x.w.push_back(kind == 0 ? std::exp(-std::exp(-0.5) * u) : u);
    x.p.push_back(kind == 0 ? -one * uniform(engine) : kind == 1 ? -2 * one * u : square);
  }
  return x;
}

/// Mean over m of the shortest of `runs` calls work(m), so that what else the machine does counts for neither side.
template <class Work>
double seconds_of(std::size_t count, int runs, Work&& work) {
  std::vector<double> best(count, 1e9);
  for (int run = 0; run < runs; ++run)
    for (std::size_t m = 0; m < count; ++m) {
      const auto start = std::chrono::steady_clock::now();
      work(m);
      best[m] = std::min(best[m], std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
  return std::accumulate(best.begin(), best.end(), 0.0) / static_cast<double>(count);
}

bool compare(const inputs& x) {
  const std::size_t n = x.n;
  std::vector<number> found(n), expected(n);
  std::vector<double> work(rank_one_work_size(n));
  rank_one_tally tally;
  const auto structured = [&](std::size_t m) {
    return rank_one_eigenvalues({x.w.data() + m * n, n}, {x.p.data() + m * n, n}, found, work, &dense_eigenvalues);
  };
  const double fast = seconds_of(matrices, 30, [&](std::size_t m) { tally.add(structured(m)); });
  const auto size = static_cast<Eigen::Index>(n);
  Eigen::EigenSolver<Eigen::MatrixXd> solver(size);
  std::vector<Eigen::MatrixXd> dense(matrices, Eigen::MatrixXd(size, size));
  for (std::size_t m = 0; m < matrices; ++m)
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        dense[m](static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) =
            std::sqrt(std::abs(x.p[m * n + i])) * std::copysign(std::sqrt(std::abs(x.p[m * n + j])), x.p[m * n + j]) +
            (i == j ? x.w[m * n + i] : 0);
  const double slow = seconds_of(matrices, 10, [&](std::size_t m) { solver.compute(dense[m], false); });
  double error = 0;
  for (std::size_t m = 0; m < matrices; ++m) {
    structured(m);
    solver.compute(dense[m], false);
    for (const number& root : found) {
      double nearest = 1e300;
      for (Eigen::Index k = 0; k < size; ++k) nearest = std::min(nearest, std::abs(solver.eigenvalues()(k) - root));
      error = std::max(error, nearest);
    }
  }
  const bool reached = slow >= x.floor * fast;
  std::printf(
      "%-32s n = %3zu  structured %8.2f us  dense %9.2f us  ratio %6.1f  floor %4.0f %s  error %.1e  dense path "
      "taken %zu\n",
      x.name, n, 1e6 * fast, 1e6 * slow, slow / fast, x.floor, reached ? "reached" : "MISSED ", error, tally[how::dense]);
  return reached;
}

using coefdyn::idx;
using coefdyn::view;

std::vector<float> normals(idx count, double scale) {
  std::mt19937 engine(1);
  std::normal_distribution<double> normal(0, scale);
  std::vector<float> x(static_cast<std::size_t>(count));
  for (float& v : x) v = static_cast<float>(normal(engine));
  return x;
}
/// Kilobytes that this process has held at most.
long peak_memory() {
  rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_maxrss;
}

/// Gated Householder over 4096 tokens of 16 heads, n = 64, from float streams in memory.
bool householders() {
  constexpr idx T = 4096, H = 16, n = 64;
  const auto k = normals(T * H * n, 0.125);
  const std::vector<float> beta(T * H, 0.7f), log_decay(T * H, -0.1f);
  coefdyn::tokens<coefdyn::mixers::gated_deltanet> x;
  x.q = x.k = x.v = view(k.data(), idx(1), T, H, n), x.beta = view(beta.data(), idx(1), T, H),
  x.log_decay = view(log_decay.data(), idx(1), T, H);
  double sum = 0;
  const double total =
      seconds_of(1, 10, [&](std::size_t) { eigenvalues(x, [&](const token_spectrum& s) { sum += s.values[n - 1].real(); }); });
  std::printf("gated Householder, 4096 x 16, n = 64: %.1f ms, floor 50 ms %s (check %.3f)\n", 1e3 * total,
              total <= 0.05 ? "reached" : "MISSED", sum / (10 * 16 * 4096));
  return total <= 0.05;
}
/// Softmax attention, T = 16384 and 65536, 8 heads of 64: time, and the memory that grows with T alone.
void long_softmax() {
  constexpr idx H = 8, n = 64;
  for (const idx T : {idx(16384), idx(65536)}) {
    const auto q = normals(T * H * n, 1);
    coefdyn::tokens<coefdyn::mixers::softmax_attention> x;
    x.q = x.k = x.v = view(q.data(), idx(1), T, H, n);
    const long before = peak_memory();
    spectrum_histogram all;
    const auto start = std::chrono::steady_clock::now();
    eigenvalues(x, [&](const token_spectrum& s) {
      for (const auto& z : s.values) all.add(z);
    });
    const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::printf("softmax, T = %lld, 8 heads of 64: %.1f s, inputs %.0f MB, beyond them %.1f MB (T x T floats: %.0f MB)\n",
                static_cast<long long>(T), passed, double(T * H * n) * 4e-6, double(peak_memory() - before) * 1e-3,
                double(T) * double(T) * 4e-6);
  }
}
}  // namespace

int main() {
#if defined(__AVX__)
  std::printf("four lanes (AVX)\n");
#else
  std::printf("two lanes (no AVX in the flags)\n");
#endif
  bool reached = true;
  for (const std::size_t n : {64u, 16u, 128u}) {
    const double goal = n == 64 ? 1 : 0;
    reached = compare(draw("RWKV-7: w in (0.55, 1), p < 0", 20 * goal, n, 0)) && reached;
    reached = compare(draw("KDA: w in (0, 1), p < 0", 20 * goal, n, 1)) && reached;
    reached = compare(draw("random signs", 6 * goal, n, 2)) && reached;
  }
  reached = householders() && reached;
  long_softmax();
  return reached ? 0 : 1;
}
