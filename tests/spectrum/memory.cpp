// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <coefdyn/spectrum/memory.hpp>
#include <random>

namespace {
using namespace coefdyn::spectrum;

/// The definition, one product at a time.
double direct(const std::vector<double>& log_decay, std::size_t n, std::size_t j) {
  std::vector<double> sum(n, 0.0);
  for (std::size_t i = j + 1; i < log_decay.size() / n; ++i) {
    for (std::size_t c = 0; c < n; ++c) sum[c] += log_decay[i * n + c];
    if (*std::max_element(sum.begin(), sum.end()) < -1) return double(i - j);
  }
  return never;
}

std::vector<double> random_logs(std::size_t count, unsigned seed, double shift, double zeros) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<double> out(count);
  for (double& x : out) x = uniform(engine) < zeros ? -never : shift + 0.3 * normal(engine);
  return out;
}
}  // namespace

TEST_CASE("horizon: scalar gates agree with the definition, growth and gates of 0 included") {
  for (const double shift : {-1.5, -0.2, -0.02, 0.0, 0.1})
    for (const double zeros : {0.0, 0.02})
      for (const std::size_t count : {1u, 2u, 300u}) {
        const auto logs = random_logs(count, 7, shift, zeros);
        std::vector<double> out(count);
        horizons(logs, out);
        for (std::size_t j = 0; j < count; ++j) CHECK(out[j] == direct(logs, 1, j));
      }
}

TEST_CASE("horizon: constant gates by hand, none at the end, a gate below e^-2000") {
  const std::vector<double> logs(50, -0.3);
  std::vector<double> out(50);
  horizons(logs, out);
  CHECK(out[0] == 4);  // 0.3 * 4 = 1.2 is the first above 1
  CHECK(out[45] == 4);
  CHECK(out[46] == never);
  const std::vector<double> wall{0, -1e-3, -1e-3, -1e15, -1e-3, -0.9995, -1e-3};
  out.resize(7);
  horizons(wall, out);
  CHECK(out == std::vector<double>{3, 2, 1, 2, 2, never, never});
}

TEST_CASE("horizon: a diagonal remembers as long as its slowest channel") {
  for (const double shift : {-0.8, -0.1, 0.05}) {
    const auto logs = random_logs(4 * 120, 3, shift, 0.01);
    std::vector<double> out(120), contracting = logs;
    horizons(logs, 4, out);
    for (std::size_t j = 0; j < 120; ++j) CHECK(out[j] == direct(logs, 4, j));
    for (double& x : contracting) x = -std::abs(x);
    horizons(contracting, 4, out);
    for (std::size_t j = 0; j < 120; ++j) CHECK(out[j] == direct(contracting, 4, j));
  }
}

TEST_CASE("horizon: dense, where a rotation hides the decay from single entries") {
  const double angle = 0.7, rate = std::exp(-0.15);
  const auto turn = [&](std::size_t, std::span<double> x) {
    const double a = x[0], b = x[1];
    x[0] = rate * (std::cos(angle) * a - std::sin(angle) * b);
    x[1] = rate * (std::sin(angle) * a + std::cos(angle) * b);
    x[2] *= 0.1;
  };
  CHECK(horizon(turn, 3, 0, 100) == 7);  // 0.15 * 7 = 1.05
  CHECK(horizon(turn, 3, 93, 100) == never);
  CHECK(horizon(turn, 3, 92, 100) == 7);
  // nilpotent: norm 5 for one step, then nothing is left
  const auto shift = [](std::size_t, std::span<double> x) {
    x[0] = 5 * x[1];
    x[1] = 0;
  };
  CHECK(horizon(shift, 2, 0, 10) == 2);
  CHECK(horizon([](std::size_t, std::span<double>) {}, 2, 0, 10) == never);
}

TEST_CASE("Lyapunov exponents: a constant matrix gives the logs of the moduli of its eigenvalues") {
  const auto apply = [](std::size_t, std::span<double> x) {
    const double a = x[0], b = x[1], c = x[2];
    x[0] = 0.9 * a + 3 * b + c;
    x[1] = 0.5 * b - 0.5 * c;
    x[2] = 0.5 * b + 0.5 * c;
  };
  const auto found = lyapunov_exponents(apply, 3, 0, 4000);
  CHECK(found[0] == doctest::Approx(std::log(0.9)).epsilon(2e-2));
  CHECK(found[1] == doctest::Approx(std::log(std::sqrt(0.5))).epsilon(2e-2));
  CHECK(found[0] + found[1] + found[2] == doctest::Approx(std::log(0.9 * 0.5)).epsilon(1e-10));  // the determinant
}

TEST_CASE("Lyapunov exponents: diagonal gates give their means, a projection minus infinity") {
  std::mt19937 engine(1);
  std::uniform_real_distribution<double> uniform(-1, 0);
  std::vector<double> logs(3 * 500);
  for (std::size_t i = 0; i < logs.size(); ++i) logs[i] = uniform(engine) * double(i % 3 + 1);
  std::vector<double> mean(3, 0.0);
  for (std::size_t i = 0; i < logs.size(); ++i) mean[i % 3] += logs[i] / 500;
  const auto found = lyapunov_exponents(
      [&](std::size_t t, std::span<double> x) {
        for (std::size_t c = 0; c < 3; ++c) x[c] *= std::exp(logs[3 * t + c]);
      },
      3, 0, 500);
  for (std::size_t c = 0; c < 3; ++c) CHECK(found[c] == doctest::Approx(mean[c]).epsilon(1e-12));

  const auto project =
      lyapunov_exponents([](std::size_t t, std::span<double> x) { x[t % 2] = 0; }, 3, 0, 20);  // both axes are annihilated in turn
  CHECK(project[0] == doctest::Approx(0).epsilon(1e-12));
  CHECK(project[1] == -never);
  CHECK(project[2] == -never);
}

TEST_CASE("singular values, spectral norm and radius") {
  // U diag(3, 2, 1e-9) V' with Householder U and V
  const std::size_t n = 3;
  const double values[] = {3, 2, 1e-9}, u[] = {2.0 / 3, -1.0 / 3, 2.0 / 3}, v[] = {0.6, 0, 0.8};
  const auto reflect = [](const double* z, std::size_t i, std::size_t j) { return (i == j ? 1.0 : 0.0) - 2 * z[i] * z[j]; };
  std::vector<double> matrix(n * n, 0.0), copy, out(n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t k = 0; k < n; ++k) matrix[j * n + i] += reflect(u, i, k) * values[k] * reflect(v, k, j);
  copy = matrix;
  singular_values(copy, n, n, out);
  CHECK(out[0] == doctest::Approx(3).epsilon(1e-14));
  CHECK(out[1] == doctest::Approx(2).epsilon(1e-14));
  CHECK(out[2] == doctest::Approx(1e-9).epsilon(1e-6));
  CHECK(spectral_norm(matrix, n) == doctest::Approx(3).epsilon(1e-14));
  const std::vector<std::complex<double>> eigenvalues{0.5, {0.6, -0.8}, -0.9};
  CHECK(spectral_radius(eigenvalues) == doctest::Approx(1));
  matrix[4] = std::nan("");
  CHECK_THROWS_WITH_AS(singular_values(matrix, n, n, out), "singular_values: matrix[4] should be finite, but is nan.",
                       std::invalid_argument);
}

TEST_CASE("effective rank: 0 for zero, k for k equal values, between for the rest, the same for the transpose") {
  const std::vector<double> zero(12, 0.0);
  CHECK(effective_rank(zero, 3, 4) == 0);
  std::vector<double> wide(12, 0.0), tall(12, 0.0);
  wide[0] = wide[5] = 2;  // 3 x 4 with two equal singular values
  CHECK(effective_rank(wide, 3, 4) == doctest::Approx(2));
  std::mt19937 engine(9);
  std::normal_distribution<double> normal;
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 4; ++j) tall[j * 3 + i] = wide[i * 4 + j] = normal(engine);
  const double rank = effective_rank(wide, 3, 4);
  CHECK(rank > 1);
  CHECK(rank < 3);
  CHECK(effective_rank(tall, 4, 3) == doctest::Approx(rank));
  const std::vector<double> singular{3, 1};
  CHECK(effective_rank(singular) == doctest::Approx(std::exp(-0.75 * std::log(0.75) - 0.25 * std::log(0.25))));
}

TEST_CASE("memory: NaN and growth without bound are refused by position") {
  const std::vector<double> logs{0, -1, std::nan("")};
  std::vector<double> out(3);
  CHECK_THROWS_WITH_AS(horizons(logs, out), "horizons: log_decay[2] should be finite, but is nan.", std::invalid_argument);
  const auto explode = [](std::size_t t, std::span<double> x) { x[0] = t == 4 ? never : x[0]; };
  CHECK_THROWS_WITH_AS(horizon(explode, 1, 0, 10), "horizon: Lambda at t = 4 should be finite, but is inf.", std::invalid_argument);
  CHECK_THROWS_AS(lyapunov_exponents(explode, 1, 0, 10), std::invalid_argument);
}
