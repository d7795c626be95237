// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/spectrum/dense.hpp>
#include <coefdyn/spectrum/rank_one.hpp>
#include <coefdyn/spectrum/small.hpp>
#include <coefdyn/spectrum/ssm.hpp>
#include <limits>
#include <random>

#include "matching.hpp"

namespace {
using namespace coefdyn::spectrum;
using number = std::complex<double>;

struct product {
  std::size_t n;
  double gate;
  std::vector<double> beta, z;
};

/// gate (I - beta_m z_m z_m') ... (I - beta_1 z_1 z_1') diag(decay), multiplied out entry by entry.
std::vector<double> multiplied(const product& a, const std::vector<double>& decay) {
  const std::size_t n = a.n;
  std::vector<double> x(n * n, 0.0), next(n * n);
  for (std::size_t i = 0; i < n; ++i) x[i * n + i] = a.gate * decay[i];
  for (std::size_t l = 0; l < a.beta.size(); ++l) {
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        next[i * n + j] = 0;
        for (std::size_t k = 0; k < n; ++k)
          next[i * n + j] += ((i == k ? 1.0 : 0.0) - a.beta[l] * a.z[l * n + i] * a.z[l * n + k]) * x[k * n + j];
      }
    x = next;
  }
  return x;
}

/// |found - dense| in condition numbers and norms.
double error_of(const std::vector<number>& found, const std::vector<double>& matrix) {
  const std::size_t n = found.size();
  std::vector<number> expected(n);
  std::vector<double> condition(n);
  dense_eigenvalues(matrix, n, expected, condition);
  double norm = 1;
  for (const double x : matrix) norm = std::hypot(norm, x);
  return worst_match(found, expected, condition) / norm;
}

product random_product(std::size_t n, std::size_t m, unsigned seed, double beta_limit) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform(0, beta_limit);
  product a{n, 0.9, {}, {}};
  for (std::size_t l = 0; l < m; ++l) {
    a.beta.push_back(uniform(engine));
    double square = 0;
    for (std::size_t i = 0; i < n; ++i) {
      a.z.push_back(normal(engine));
      square += a.z.back() * a.z.back();
    }
    for (std::size_t i = 0; i < n; ++i) a.z[l * n + i] /= std::sqrt(square);
  }
  return a;
}

std::vector<number> solved(const product& a, householder_product_report& report) {
  std::vector<number> out(a.n);
  std::vector<double> work(householder_product_work_size(a.n, a.beta.size()));
  report = householder_product_eigenvalues(a.gate, a.beta, a.z, a.n, out, work, &dense_eigenvalues);
  return out;
}
}  // namespace

TEST_CASE("Householder products: equal to dense eigenvalues, the gate with its multiplicity") {
  householder_product_report report;
  for (const std::size_t n : {1u, 2u, 8u, 31u, 64u})
    for (const std::size_t m : {0u, 1u, 2u, 3u, 5u, 64u, 70u}) {
      const product a = random_product(n, m, static_cast<unsigned>(100 * n + m), 2);
      const auto found = solved(a, report);
      CAPTURE(n);
      CAPTURE(m);
      CHECK(error_of(found, multiplied(a, std::vector<double>(n, 1.0))) < 1e-12);
      CHECK(report.rank == std::min(n, m));
      CHECK((report.path == how::dense) == (report.rank > 2));
      for (std::size_t i = 0; i + report.rank < n; ++i) CHECK(found[i] == number(0.9));
    }
}

TEST_CASE("Householder products: repeated and zero vectors, beta 0 and 2, large z") {
  householder_product_report report;
  product a = random_product(16, 4, 3, 1.5);
  std::copy(a.z.begin(), a.z.begin() + 16, a.z.begin() + 32);  // z_3 = z_1
  std::fill(a.z.begin() + 48, a.z.end(), 0.0);                 // z_4 = 0
  CHECK(error_of(solved(a, report), multiplied(a, std::vector<double>(16, 1.0))) < 1e-13);
  CHECK(report.rank == 2);
  a.beta = {2, 0, 2, 1};
  CHECK(error_of(solved(a, report), multiplied(a, std::vector<double>(16, 1.0))) < 1e-13);
  for (double& z : a.z) z *= 1e3;
  CHECK(error_of(solved(a, report), multiplied(a, std::vector<double>(16, 1.0))) < 1e-13);
  product close = random_product(16, 4, 8, 2);
  for (std::size_t i = 0; i < 16; ++i) close.z[16 + i] = close.z[i] + 1e-9 * close.z[16 + i];  // z_2 nearly parallel to z_1
  CHECK(error_of(solved(close, report), multiplied(close, std::vector<double>(16, 1.0))) < 1e-13);
  CHECK(report.rank == 4);
  product one{3, -2, {0.5}, {0, 3, 4}};
  const auto closed = solved(one, report);
  CHECK(closed[2].real() == doctest::Approx(-2 * (1 - 0.5 * 25)).epsilon(1e-14));
  CHECK(closed[0] == number(-2));
}

TEST_CASE("Householder products: two reflections are a rotation, so a complex pair on the unit circle") {
  const double angle = 0.3;
  product a{4, 1, {2, 2}, {1, 0, 0, 0, std::cos(angle), std::sin(angle), 0, 0}};
  householder_product_report report;
  const auto found = solved(a, report);
  CHECK(report.path == how::read_off);
  CHECK(worst_match(found, {1, 1, std::polar(1.0, 2 * angle), std::polar(1.0, -2 * angle)}) < 1e-15);
  CHECK(found[2] == std::conj(found[3]));
}

TEST_CASE("Householder products: without a dense solver rank 3 stays unsolved, and errors name the entry") {
  const product a = random_product(4, 3, 1, 1);
  std::vector<number> out(4);
  std::vector<double> work(householder_product_work_size(4, 3)), z = a.z;
  const auto report = householder_product_eigenvalues(1, a.beta, z, 4, out, work, nullptr);
  CHECK(report.path == how::unsolved);
  CHECK(std::isnan(out[3].real()));
  z[6] = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH_AS(householder_product_eigenvalues(1, a.beta, z, 4, out, work, nullptr),
                       "householder_product_eigenvalues: z[1, 2] should be finite, but is inf.", std::invalid_argument);
}

TEST_CASE("diagonal gate: one factor is diagonal plus rank one, more are dense") {
  const product a = random_product(8, 1, 5, 2), b = random_product(8, 3, 6, 2);
  std::vector<double> decay(8), p(8), work(rank_one_work_size(8));
  for (std::size_t i = 0; i < 8; ++i) {
    decay[i] = 0.3 + 0.08 * double(i);
    p[i] = -a.beta[0] * decay[i] * a.z[i] * a.z[i];
  }
  std::vector<number> found(8), general(8);
  rank_one_eigenvalues(decay, p, found, work, nullptr);
  gated_product_eigenvalues(decay, a.beta, a.z, general, &dense_eigenvalues);
  CHECK(worst_match(found, general) < 1e-14);
  product plain = b;
  plain.gate = 1;
  gated_product_eigenvalues(decay, b.beta, b.z, general, &dense_eigenvalues);
  CHECK(error_of(general, multiplied(plain, decay)) < 1e-13);
}

TEST_CASE("S4 and S4D from continuous parameters") {
  std::vector<number> out(64);
  hippo_legs_eigenvalues(0.01, discretisation::bilinear, out);
  for (std::size_t m = 1; m <= 64; ++m)
    CHECK(out[m - 1].real() == doctest::Approx((1 - 0.005 * double(m)) / (1 + 0.005 * double(m))).epsilon(1e-15));
  const std::vector<number> lambda{{-0.5, 3}, {-0.5, -3}};
  std::vector<number> two(2);
  discretised(lambda, 0.1, discretisation::zero_order_hold, two);
  CHECK(std::abs(two[0] - std::polar(std::exp(-0.05), 0.3)) < 1e-15);
  discretised(lambda, 0.1, discretisation::bilinear, two);
  CHECK(std::abs(two[0] * (1.0 - 0.05 * lambda[0]) - (1.0 + 0.05 * lambda[0])) < 1e-15);
  CHECK(std::isinf(discretised(20.0, 0.1, discretisation::bilinear).real()));
}

TEST_CASE("S4 from its diagonal plus low rank form: rounding alone explains the distance from the truth") {
  // HiPPO-LegS written as diag(lambda) - P Q^* in its own basis: a triangular matrix needs none, so the normal part is
  // diagonalised by hand only for n = 2: A = [[-1, 0], [-sqrt(3), -2]], N = A + p p', p = (sqrt(1/2), sqrt(3/2)).
  const double r = std::sqrt(3.0) / 2;
  const std::vector<number> lambda{{-0.5, r}, {-0.5, -r}};
  const double h = std::sqrt(0.5);
  const number i(0, 1);  // eigenvectors (1, -+ i) / sqrt(2) of [[0, r], [-r, 0]]
  const std::vector<number> p{h * (std::sqrt(0.5) - i * std::sqrt(1.5)), h * (std::sqrt(0.5) + i * std::sqrt(1.5))};
  std::vector<number> out(2);
  std::vector<double> error(2);
  s4_eigenvalues(lambda, p, p, 0.1, discretisation::bilinear, out, error, &dense_eigenvalues);
  std::vector<number> exact(2);
  hippo_legs_eigenvalues(0.1, discretisation::bilinear, exact);
  CHECK(worst_match(out, exact) < 1e-14);
  for (std::size_t k = 0; k < 2; ++k) {
    CHECK(error[k] > 1e-17);
    CHECK(error[k] < 1e-14);
    CHECK(phase_may_be_rounding(out[k], 10 * error[k]));
  }
  CHECK_FALSE(phase_may_be_rounding({1, 1e-3}, 1e-4));
}
