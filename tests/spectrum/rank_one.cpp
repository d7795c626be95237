// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/spectrum/dense.hpp>
#include <coefdyn/spectrum/rank_one.hpp>
#include <functional>
#include <limits>
#include <numbers>
#include <random>

#include "matching.hpp"

namespace {
using namespace coefdyn::spectrum;
using number = std::complex<double>;

struct problem {
  std::vector<double> w, u, v;
};

struct outcome {
  double error;  // in units of condition number and norm
  rank_one_report report;
  std::vector<number> found;
};

outcome solve(const problem& a) {
  const std::size_t n = a.w.size();
  std::vector<double> p(n), matrix(n * n), condition(n), work(rank_one_work_size(n));
  outcome result{0, {}, std::vector<number>(n)};
  std::vector<number> expected(n);
  double norm = 0;
  for (std::size_t i = 0; i < n; ++i) {
    p[i] = a.u[i] * a.v[i];
    for (std::size_t j = 0; j < n; ++j) matrix[i * n + j] = a.u[i] * a.v[j] + (i == j ? a.w[i] : 0);
  }
  for (const double x : matrix) norm = std::hypot(norm, x);
  dense_eigenvalues(matrix, n, expected, condition);
  result.report = rank_one_eigenvalues(a.w, p, result.found, work, &dense_eigenvalues);
  result.error = worst_match(result.found, expected, condition) / (norm > 0 ? norm : 1);
  return result;
}

/// u and v with |u_c| = |v_c|, so that the dense matrix is balanced.
problem balanced(std::vector<double> w, const std::vector<double>& p) {
  problem a{std::move(w), {}, {}};
  for (const double x : p) {
    a.u.push_back(std::sqrt(std::abs(x)));
    a.v.push_back(std::copysign(std::sqrt(std::abs(x)), x));
  }
  return a;
}

struct sampler {
  std::mt19937 engine;
  double uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine); }
  double normal() { return std::normal_distribution<double>()(engine); }
  double sign() { return uniform(0, 1) < 0.5 ? -1 : 1; }
};

using recipe = std::function<void(sampler&, std::size_t n, std::size_t c, double& w, double& p)>;

struct named_recipe {
  const char* name;
  recipe draw;
};

// Each draws (w_c, p_c). sign(): +-1; sizes of p relative to the distance between poles vary on purpose.
const named_recipe recipes[] = {
    {"RWKV-7: w in (0.545, 1), p = -(kappa^2) iclr",
     [](sampler& s, std::size_t n, std::size_t, double& w, double& p) {
       w = std::exp(-std::exp(-0.5) * s.uniform(0, 1));
       p = -std::pow(s.normal(), 2) / double(n) * s.uniform(0, 1);
     }},
    {"KDA: w in (0, 1), p = -beta k^2 w",
     [](sampler& s, std::size_t n, std::size_t, double& w, double& p) {
       w = s.uniform(0, 1);
       p = -2 * w * std::pow(s.normal(), 2) / double(n);
     }},
    {"all p positive",
     [](sampler& s, std::size_t, std::size_t, double& w, double& p) {
       w = s.normal();
       p = std::abs(s.normal());
     }},
    {"random signs",
     [](sampler& s, std::size_t n, std::size_t, double& w, double& p) {
       w = s.uniform(0, 1);
       p = s.normal() * s.normal() / double(n);
     }},
    {"random signs, large p",
     [](sampler& s, std::size_t, std::size_t, double& w, double& p) {
       w = s.uniform(0, 1);
       p = 1e3 * s.normal();
     }},
    {"random signs, small p",
     [](sampler& s, std::size_t, std::size_t, double& w, double& p) {
       w = s.uniform(0, 1);
       p = 1e-7 * s.normal();
     }},
    {"alternating signs on a grid",
     [](sampler&, std::size_t n, std::size_t c, double& w, double& p) {
       w = double(c) / double(n);
       p = c % 2 == 0 ? 0.3 : -0.3;
     }},
    {"one sign on each side",
     [](sampler& s, std::size_t n, std::size_t c, double& w, double& p) {
       w = double(c) / double(n);
       p = (2 * c < n ? 1 : -1) * s.uniform(0.1, 1);
     }},
    {"clustered to 1e-12, signs mixed",
     [](sampler& s, std::size_t, std::size_t c, double& w, double& p) {
       w = 0.25 * double(c % 4) + 1e-12 * s.normal();
       p = s.normal();
     }},
    {"clustered to 1e-6, signs mixed",
     [](sampler& s, std::size_t, std::size_t c, double& w, double& p) {
       w = 0.25 * double(c % 4) + 1e-6 * s.normal();
       p = 0.1 * s.normal();
     }},
    {"clustered to 1e-15, same sign",
     [](sampler& s, std::size_t, std::size_t c, double& w, double& p) {
       w = 0.25 * double(c % 4) + 1e-15 * s.normal();
       p = -std::abs(s.normal());
     }},
    {"repeated w, signs mixed",
     [](sampler& s, std::size_t, std::size_t c, double& w, double& p) {
       w = 0.125 * double(c % 8);
       p = s.normal();
     }},
    {"all w equal",
     [](sampler& s, std::size_t, std::size_t, double& w, double& p) {
       w = 0.75;
       p = s.normal();
     }},
    {"half of p zero",
     [](sampler& s, std::size_t, std::size_t c, double& w, double& p) {
       w = s.uniform(0, 1);
       p = c % 2 == 0 ? 0 : s.normal();
     }},
    {"all p zero",
     [](sampler& s, std::size_t, std::size_t, double& w, double& p) {
       w = s.normal();
       p = 0;
     }},
    {"everything zero", [](sampler&, std::size_t, std::size_t, double& w, double& p) { w = p = 0; }},
    {"p from 1e-40 to 1",
     [](sampler& s, std::size_t, std::size_t, double& w, double& p) {
       w = s.uniform(0, 1);
       p = s.sign() * std::pow(10.0, s.uniform(-40, 0));
     }},
    {"p from 1e-40 to 1, same sign",
     [](sampler& s, std::size_t, std::size_t, double& w, double& p) {
       w = s.uniform(0, 1);
       p = -std::pow(10.0, s.uniform(-40, 0));
     }},
    {"w from 1e-14 to 1",
     [](sampler& s, std::size_t, std::size_t, double& w, double& p) {
       w = std::pow(10.0, s.uniform(-14, 0));
       p = s.sign() * std::pow(10.0, s.uniform(-14, 0));
     }},
    {"near 1e150",
     [](sampler& s, std::size_t, std::size_t, double& w, double& p) {
       w = 1e150 * s.normal();
       p = 1e150 * s.normal();
     }},
    {"near 1e-200",
     [](sampler& s, std::size_t, std::size_t, double& w, double& p) {
       w = 1e-200 * s.normal();
       p = 1e-200 * s.normal();
     }},
    {"double roots to 1e-10",
     [](sampler& s, std::size_t, std::size_t c, double& w, double& p) {
       w = 3.0 * double(c / 2) + double(c % 2);  // pairs 1 apart with sqrt(p) + sqrt(-p') = 1
       p = (c % 2 == 0 ? 0.25 : -0.25) * (1 + 1e-10 * s.normal());
     }},
    {"w on roots of the rest",
     [](sampler&, std::size_t, std::size_t c, double& w, double& p) {
       w = c % 2 == 0 ? double(c) : double(c - 1) + 0.5;  // each weak pole sits where its neighbour's root is
       p = c % 2 == 0 ? 0.5 : 1e-18;
     }},
};
}  // namespace

TEST_CASE("rank one: equal to dense eigenvalues within 1e-12 condition numbers") {
  for (const auto& [name, draw] : recipes)
    for (const std::size_t n : {1u, 2u, 8u, 31u, 64u, 128u}) {
      rank_one_tally tally;
      sampler s{std::mt19937(static_cast<unsigned>(n))};
      for (int repeat = 0; repeat < (n > 64 ? 2 : 6); ++repeat) {
        std::vector<double> w(n), p(n);
        for (std::size_t c = 0; c < n; ++c) draw(s, n, c, w[c], p[c]);
        const auto [error, report, found] = solve(balanced(w, p));
        CAPTURE(name);
        CAPTURE(n);
        CAPTURE(repeat);
        CHECK(error < 1e-12);
        tally.add(report);
        for (std::size_t i = 0; i < n; ++i) {
          if (found[i].imag() > 0) CHECK((i + 1 < n && found[i + 1] == std::conj(found[i])));
          CHECK((i == 0 || found[i - 1].real() <= found[i].real()));
        }
      }
      if (tally[how::dense] > 0) MESSAGE(name, ", n = ", n, ": ", tally[how::dense], " dense");
      CHECK(tally[how::unsolved] == 0);
    }
}

TEST_CASE("rank one: unbalanced u and v, one matrix of each kind of size") {
  sampler s{std::mt19937(5)};
  for (const std::size_t n : {2u, 8u, 31u, 64u}) {
    problem a;
    for (std::size_t c = 0; c < n; ++c) {
      a.w.push_back(s.uniform(0.5, 1));
      a.u.push_back(s.normal());
      a.v.push_back(s.normal());
    }
    CHECK(solve(a).error < 1e-12);
  }
}

TEST_CASE("rank one: a prescribed spectrum comes back") {
  // p_c = prod_j (x_j - w_c) / prod_{j != c} (w_j - w_c) gives the roots x
  sampler s{std::mt19937(11)};
  for (int repeat = 0; repeat < 50; ++repeat) {
    const std::size_t n = 12;
    std::vector<double> w(n), p(n), work(rank_one_work_size(n));
    std::vector<number> expected(n), found(n);
    for (std::size_t c = 0; c < n; ++c) w[c] = std::cos(std::numbers::pi * (double(c) + 0.5) / double(n));
    for (std::size_t c = 0; c < n; c += 2) {
      const double angle = std::numbers::pi * (double(c) + 1) / double(n);
      expected[c] = std::polar(s.uniform(0.7, 1.1), angle);
      expected[c + 1] = std::conj(expected[c]);
    }
    for (std::size_t c = 0; c < n; ++c) {
      number residue = 1;
      for (std::size_t j = 0; j < n; ++j) residue *= (expected[j] - w[c]) / (j == c ? 1 : w[j] - w[c]);
      p[c] = residue.real();
    }
    const auto report = rank_one_eigenvalues(w, p, found, work, nullptr);
    CHECK(report.path == how::simultaneous);
    CHECK(worst_match(found, expected) < 1e-11);
  }
}

TEST_CASE("rank one: a root at 1e-30 of its pole, and small sizes by hand") {
  std::vector<number> out(2);
  std::vector<double> work(12);
  const std::vector<double> w{0, 1}, p{-1e-30, -0.5};
  rank_one_eigenvalues(w, p, out, work, nullptr);
  CHECK(out[0].real() == 0);  // deflated: it cannot move anything by rounding
  CHECK(out[1].real() == doctest::Approx(0.5).epsilon(1e-15));
  const std::vector<double> repeated{0.5, 0.5}, q{0.25, -1};
  const auto report = rank_one_eigenvalues(repeated, q, out, work, nullptr);
  CHECK(report.deflated == 1);
  CHECK(out[0] == number(-0.25));
  CHECK(out[1] == number(0.5));
  CHECK(rank_one_eigenvalues(std::span<const double>(), std::span<const double>(), {}, {}, nullptr).path == how::read_off);
}

TEST_CASE("rank one: float input is solved in double") {
  const std::vector<float> w{0.25f, 0.5f, 1.f}, p{-0.5f, 0.125f, 2.f};
  const std::vector<double> w2(w.begin(), w.end()), p2(p.begin(), p.end());
  std::vector<number> a(3), b(3);
  std::vector<double> work(rank_one_work_size(3));
  rank_one_eigenvalues(w, p, a, work, nullptr);
  rank_one_eigenvalues(w2, p2, b, work, nullptr);
  CHECK(a == b);
}

TEST_CASE("rank one: the dense solver takes over after the sweep limit, and the report says so") {
  const std::vector<double> w{0, 0.3, 0.7, 1}, p{0.6, -0.6, 0.6, -0.6};
  std::vector<number> expected(4), out(4);
  std::vector<double> work(rank_one_work_size(4));
  CHECK(rank_one_eigenvalues(w, p, expected, work, nullptr).path == how::simultaneous);
  CHECK(rank_one_eigenvalues(w, p, out, work, &dense_eigenvalues, 1).path == how::dense);
  CHECK(worst_match(out, expected) < 1e-14);
  CHECK(rank_one_eigenvalues(w, p, out, work, nullptr, 1).path == how::unsolved);
  CHECK(std::isnan(out[0].real()));
}

TEST_CASE("rank one: a root found twice in place of another is noticed by the trace") {
  const std::vector<double> place{0, 1, 2}, weight{-0.1, 0.1, 0.1};
  const detail::secular_poles poles{place.data(), weight.data(), 3, 0.3};
  std::vector<double> origin = place, re = weight, im(3, 0.0), error(3, 1e-16);
  detail::secular_roots roots{origin.data(), re.data(), im.data(), error.data(), 3};
  CHECK(detail::pair_conjugates(poles, roots, 0, 2.3));
  origin[1] = 2;
  CHECK_FALSE(detail::pair_conjugates(poles, roots, 0, 2.3));
  origin[1] = 1;
  im[0] = 1e-3;  // no partner
  CHECK_FALSE(detail::pair_conjugates(poles, roots, 0, 2.3));
}

TEST_CASE("rank one: what is not finite or not the right size is refused by name") {
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  std::vector<number> out(3);
  std::vector<double> work(18), w{0, 1, 2}, p{1, nan, 1};
  CHECK_THROWS_WITH_AS(rank_one_eigenvalues(w, p, out, work, nullptr), "rank_one_eigenvalues: p[1] should be finite, but is nan.",
                       std::invalid_argument);
  w[2] = -inf;
  CHECK_THROWS_WITH_AS(rank_one_eigenvalues(w, p, out, work, nullptr), "rank_one_eigenvalues: w[2] should be finite, but is -inf.",
                       std::invalid_argument);
  out.resize(2);
  CHECK_THROWS_WITH_AS(rank_one_eigenvalues(w, p, out, work, nullptr), "rank_one_eigenvalues: out should have 3 entries, but has 2.",
                       std::invalid_argument);
  out.resize(3);
  work.resize(17);
  CHECK_THROWS_WITH_AS(rank_one_eigenvalues(w, p, out, work, nullptr),
                       "rank_one_eigenvalues: work should have at least 18 entries, but has 17.", std::invalid_argument);
}
