// SPDX-License-Identifier: MIT
// Dense eigenvalues of matrices whose rows and columns are of very different sizes.
#include <doctest/doctest.h>

#include <algorithm>
#include <coefdyn/coefdyn.hpp>
#include <coefdyn/spectrum/dense/balance.hpp>
#include <coefdyn/spectrum/eigenvalues.hpp>
#include <numeric>
#include <random>

#include "matching.hpp"

namespace {
using namespace coefdyn::spectrum;
using number = std::complex<double>;

std::mt19937 engine(11);

template <class X>
X noise() {
  std::normal_distribution<double> normal;
  if constexpr (std::is_same_v<X, double>) return normal(engine);
  else return {normal(engine), normal(engine)};
}
template <class X>
struct square {
  std::size_t n;
  std::vector<X> a;
  explicit square(std::size_t n_) : n(n_), a(n_ * n_) {}
  X& operator()(std::size_t i, std::size_t j) { return a[i * n + j]; }
  std::vector<number> solve(std::vector<double>* condition = nullptr) const {
    std::vector<number> out(n);
    if (condition) condition->resize(n);
    dense_eigenvalues(a, n, out, condition ? std::span<double>(*condition) : std::span<double>());
    return out;
  }
  /// D A D^-1 with D from 10^-decades to 10^decades, then rows and columns in another order.
  square scaled(double decades, bool permuted) const {
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t(0));
    if (permuted) std::shuffle(order.begin(), order.end(), engine);
    square out(n);
    const auto d = [&](std::size_t i) { return decades * (2 * double(i) / double(n - 1) - 1); };
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) out(order[i], order[j]) = a[i * n + j] * std::pow(10, d(i) - d(j));
    return out;
  }
};
/// A diagonal 1 .. n with noise of a tenth everywhere.
template <class X>
square<X> near_diagonal(std::size_t n) {
  square<X> b(n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) b(i, j) = (i == j ? double(i + 1) : 0.0) + 0.1 * noise<X>();
  return b;
}
}  // namespace

TEST_CASE_TEMPLATE("dense: D B D^-1 has the eigenvalues of B", X, double, number) {
  for (const double decades : {0.0, 2.0, 8.0, 40.0, 140.0})
    for (const bool permuted : {false, true}) {
      CAPTURE(decades);
      const square<X> b = near_diagonal<X>(12);
      std::vector<double> condition;
      CHECK(worst_match(b.scaled(decades, permuted).solve(&condition), b.solve()) < 1e-9);
      for (const double c : condition) CHECK(c < 20);  // as those of B, near a diagonal; those of D B D^-1 itself are up to D's
    }
}

TEST_CASE("dense: a companion matrix with coefficients over twenty decades") {
  const std::vector<double> roots{1e-6, 1e-3, 1.0, 1e3, 1e6};
  std::vector<double> c{1};  // of prod (x - r), the highest power first
  for (const double r : roots) {
    c.push_back(0);
    for (std::size_t i = c.size() - 1; i > 0; --i) c[i] -= r * c[i - 1];
  }
  square<double> a(roots.size());
  for (std::size_t j = 0; j < a.n; ++j) a(0, j) = -c[j + 1];
  for (std::size_t i = 1; i < a.n; ++i) a(i, i - 1) = 1;
  for (const number& x : a.solve()) {
    const double nearest = std::exp(std::log(10.0) * 3 * std::round(std::log10(std::abs(x)) / 3));
    CHECK(std::abs(x - nearest) < 1e-9 * nearest);
  }
}

TEST_CASE_TEMPLATE("dense: eigenvalues that permutations isolate are exact, their couplings of any size", X, double, number) {
  // a block of 4 between two triangles of 3, coupled by 1e30, in any order
  const square<X> block = near_diagonal<X>(4);
  square<X> a(10);
  std::vector<number> expected = block.solve();
  for (std::size_t i = 0; i < 10; ++i)
    for (std::size_t j = 0; j < 10; ++j) {
      const bool inside = i >= 3 && i < 7 && j >= 3 && j < 7;
      if (inside) a(i, j) = block.a[(i - 3) * 4 + j - 3];
      else if (i < j) a(i, j) = 1e30 * noise<X>();
      else if (i == j) a(i, j) = noise<X>(), expected.push_back(a(i, j));
    }
  for (int trial = 0; trial < 4; ++trial) {
    std::vector<double> condition;
    const std::vector<number> found = a.scaled(trial % 2 ? 5 : 0, trial > 0).solve(&condition);
    CHECK(worst_match(found, expected) < 1e-12);
    for (std::size_t i = 4; i < 10; ++i) CHECK(std::count(found.begin(), found.end(), expected[i]) == 1);
    CHECK(*std::max_element(condition.begin(), condition.end()) > 1e10);  // a change of 1e-16 below a coupling would move them
  }
  square<X> nilpotent(3);
  nilpotent(0, 1) = 1e200, nilpotent(1, 2) = 1e-200, nilpotent(0, 2) = 1;
  CHECK(nilpotent.scaled(3, true).solve() == std::vector<number>(3, 0.0));
}

TEST_CASE("dense: matrices that are balanced already stay as they are") {
  // rows and columns of a symmetric matrix are of one length
  square<double> s(9);
  for (std::size_t i = 0; i < 9; ++i)
    for (std::size_t j = 0; j <= i; ++j) s(i, j) = s(j, i) = noise<double>();
  const detail::balanced<double> same(s.a.data(), 9);
  CHECK(same.a == s.a);
  CHECK(same.first == 0);
  CHECK(same.last == 9);
  square<double> doubled = s;
  for (std::size_t k = 0; k < 9; ++k) doubled(4, k) *= 1024;
  for (std::size_t k = 0; k < 9; ++k) doubled(k, 4) /= 1024;
  CHECK(worst_match(doubled.solve(), s.solve()) < 1e-13);
}

TEST_CASE("eigenvalues: digits that a dense map loses are reported without being asked for") {
  using M = coefdyn::mixer<coefdyn::readout::linear, coefdyn::evolution::dense<>, coefdyn::scaling::one, coefdyn::normalization::one>;
  constexpr coefdyn::idx T = 4;
  constexpr int n = 8;
  const auto visit = [&](const std::vector<double>& A, auto each) {
    const std::vector<double> q(T * n, 1.0), v(T, 1.0);
    coefdyn::tokens<M, double> x;
    x.q = x.k = coefdyn::view(q.data(), 1, T, 1, n), x.v = coefdyn::view(v.data(), 1, T, 1, 1);
    x.A = coefdyn::view(A.data(), 1, n, n);
    return eigenvalues(x, each);
  };
  std::vector<double> jordan(n * n, 0.0);  // eigenvalues of one Jordan block with a corner of 1e-16: the roots of (x - 1/2)^8 = 1e-16
  for (std::size_t i = 0; i < n; ++i) jordan[i * n + i] = 0.5, jordan[i * n + (i + 1) % n] += i + 1 < n ? 1 : 1e-16;
  int tokens = 0;
  const eigenvalue_report bad = visit(jordan, [&](const token_spectrum& s) {
    ++tokens;
    CHECK(s.conditions.size() == n);
    CHECK(s.error > 1e-6);  // at every token, though A is solved once
  });
  CHECK(tokens == T - 1);
  CHECK(bad.largest_error > 1e-6);
  std::vector<double> scaled = near_diagonal<double>(n).scaled(8, true).a;
  const eigenvalue_report good = visit(scaled, [](const token_spectrum& s) { CHECK(s.error > 0); });
  CHECK(good.largest_error > 0);
  CHECK(good.largest_error < 1e-13);
  const eigenvalue_report read_off = visit(std::vector<double>(n * n, 0.0), [](const token_spectrum& s) { CHECK(s.error == 0); });
  CHECK(read_off.largest_error == 0);
}
