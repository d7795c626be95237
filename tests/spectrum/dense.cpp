// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/spectrum/dense.hpp>
#include <limits>
#include <random>

#include "matching.hpp"

namespace {
using namespace coefdyn::spectrum;
using number = std::complex<double>;
}  // namespace

TEST_CASE("dense: condition numbers of a 2 x 2 matrix by hand") {
  // [[1, s], [0, 2]]: right vectors (1, 0), (s, 1), left (1, -s), (0, 1), so both conditions are sqrt(1 + s^2)
  for (const double s : {0.0, 1.0, 1e6}) {
    const std::vector<double> matrix{1, s, 0, 2};
    std::vector<number> out(2);
    std::vector<double> condition(2);
    dense_eigenvalues(matrix, 2, out, condition);
    CHECK(worst_match(out, {1, 2}) < 1e-15);
    CHECK(condition[0] == doctest::Approx(std::hypot(1.0, s)));
    CHECK(condition[1] == doctest::Approx(std::hypot(1.0, s)));
    const std::vector<number> same(matrix.begin(), matrix.end());
    dense_eigenvalues(same, 2, out, condition);
    CHECK(worst_match(out, {1, 2}) < 1e-15);
    CHECK(condition[1] == doctest::Approx(std::hypot(1.0, s)));
  }
}

TEST_CASE("dense: symmetric and normal matrices have condition 1, complex pairs included") {
  const double c = std::cos(0.4), s = std::sin(0.4);
  const std::vector<double> rotation{c, -s, 0, s, c, 0, 0, 0, 0.5};
  std::vector<number> out(3);
  std::vector<double> condition(3);
  dense_eigenvalues(rotation, 3, out, condition);
  CHECK(worst_match(out, {0.5, std::polar(1.0, 0.4), std::polar(1.0, -0.4)}) < 1e-15);
  for (const double x : condition) CHECK(x == doctest::Approx(1));
}

TEST_CASE("dense: condition numbers of V D V^-1 with V given, and the same for the transpose") {
  // V = [[1, 2, 3], [0, 1, 4], [0, 0, 1]], V^-1 = [[1, -2, 5], [0, 1, -4], [0, 0, 1]], D = diag(1, 2, 4)
  const double v[3][3] = {{1, 2, 3}, {0, 1, 4}, {0, 0, 1}}, w[3][3] = {{1, -2, 5}, {0, 1, -4}, {0, 0, 1}}, d[] = {1, 2, 4};
  std::vector<double> matrix(9, 0.0), transpose(9), condition(3);
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) {
      for (std::size_t k = 0; k < 3; ++k) matrix[i * 3 + j] += v[i][k] * d[k] * w[k][j];
      transpose[j * 3 + i] = matrix[i * 3 + j];
    }
  for (const auto* a : {&matrix, &transpose}) {
    std::vector<number> out(3);
    dense_eigenvalues(*a, 3, out, condition);
    for (std::size_t k = 0; k < 3; ++k)
      for (std::size_t e = 0; e < 3; ++e)
        if (std::abs(out[k] - d[e]) < 1e-6)
          CHECK(condition[k] == doctest::Approx(std::hypot(v[0][e], v[1][e], v[2][e]) * std::hypot(w[e][0], w[e][1], w[e][2])));
  }
}

TEST_CASE("dense: the condition number predicts what a perturbation does") {
  std::mt19937 engine(4);
  std::normal_distribution<double> normal;
  const std::size_t n = 12;
  std::vector<double> matrix(n * n), moved(n * n), condition(n);
  std::vector<number> before(n), after(n);
  for (double& x : matrix) x = normal(engine);
  dense_eigenvalues(matrix, n, before, condition);
  std::vector<double> largest(n, 0.0);
  for (int trial = 0; trial < 300; ++trial) {
    double square = 0;
    moved = matrix;
    std::vector<double> change(n * n);
    for (double& x : change) square += std::pow(x = normal(engine), 2);
    for (std::size_t i = 0; i < n * n; ++i) moved[i] += 1e-7 * change[i] / std::sqrt(square);
    dense_eigenvalues(moved, n, after);
    for (std::size_t k = 0; k < n; ++k) {
      double nearest = 1;
      for (const number& x : after) nearest = std::min(nearest, std::abs(x - before[k]));
      largest[k] = std::max(largest[k], nearest / 1e-7);
    }
  }
  for (std::size_t k = 0; k < n; ++k) {
    CHECK(largest[k] <= 1.001 * condition[k]);  // the bound holds
    CHECK(largest[k] >= 0.05 * condition[k]);   // and is not idle: 300 random directions come this near
  }
}

TEST_CASE("dense: defective matrices have a huge condition, real and complex agree") {
  const std::vector<double> jordan{0.5, 1, 0, 0, 0.5, 1, 0, 0, 0.5};
  std::vector<number> out(3);
  std::vector<double> condition(3);
  dense_eigenvalues(jordan, 3, out, condition);
  for (const double x : condition) CHECK(x > 1e14);
  CHECK(worst_match(out, {0.5, 0.5, 0.5}) < 1e-4);
}

TEST_CASE("dense: complex entries, very large and very small ones, zero, nothing") {
  const std::vector<number> matrix{{1, 2}, {3, 0}, {0, 0}, {-1, 1}};
  std::vector<number> out(2);
  std::vector<double> condition(2);
  dense_eigenvalues(matrix, 2, out, condition);
  CHECK(worst_match(out, {{1, 2}, {-1, 1}}) < 1e-15);
  const double expected = std::sqrt(1 + 9.0 / 5.0);
  CHECK(condition[0] == doctest::Approx(expected));
  for (const double scale : {1e-300, 1e300}) {
    const std::vector<double> scaled{1 * scale, 2 * scale, -2 * scale, 1 * scale};
    dense_eigenvalues(scaled, 2, out, condition);
    CHECK(out[0].real() == doctest::Approx(scale));
    CHECK(out[0].imag() == doctest::Approx(2 * scale));
    CHECK(out[1] == std::conj(out[0]));
  }
  const std::vector<double> zero(9, 0.0);
  std::vector<number> three(3, 1.0);
  dense_eigenvalues(zero, 3, three);
  CHECK(three == std::vector<number>(3, 0.0));
  dense_eigenvalues(std::span<const double>(), 0, std::span<number>());
}

TEST_CASE("dense: entries that are not finite and wrong sizes are refused by position") {
  std::vector<double> matrix{1, 2, 3, std::nan("")};
  std::vector<number> out(2);
  CHECK_THROWS_WITH_AS(dense_eigenvalues(matrix, 2, out), "dense_eigenvalues: matrix[1, 1] should be finite, but is nan.",
                       std::invalid_argument);
  std::vector<number> complex_matrix{1, {0, std::numeric_limits<double>::infinity()}, 3, 4};
  CHECK_THROWS_WITH_AS(dense_eigenvalues(complex_matrix, 2, out, {}), "dense_eigenvalues: matrix[0, 1] should be finite, but is inf.",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(dense_eigenvalues(matrix, 3, out), "dense_eigenvalues: matrix should have 9 entries, but has 4.",
                       std::invalid_argument);
}
