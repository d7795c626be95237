// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/parameterisation/all.hpp>
#include <string>
#include <vector>

namespace {
using namespace coefdyn;
namespace gates = parameterisation;

double relative(double x, double want) { return std::abs(x - want) / std::fmax(std::abs(want), 1e-300); }

/// The closed derivatives are those of log_decay, by dual numbers, argument by argument.
template <class P, class... Argument>
void check_slopes(Argument... argument) {
  const auto closed = P::pull_back(2.0, argument...);
  const double values[] = {argument...};
  for (int seeded = 0; seeded < int(sizeof...(Argument)); ++seeded) {
    int i = 0;
    const auto lifted = [&](double v) { return dual<double>(v, i++ == seeded ? 1.0 : 0.0); };
    const dual<double> out = [&]<std::size_t... I>(std::index_sequence<I...>) {
      const dual<double> a[] = {lifted(values[I])...};
      return P::log_decay(a[I]...);
    }(std::index_sequence_for<Argument...>{});
    CAPTURE(values[0]);
    CHECK(std::abs(closed[seeded] - 2 * out.d) <= 1e-13 * std::fmax(1, std::abs(2 * out.d)));
  }
}

TEST_CASE("closed derivatives are those of dual numbers") {
  for (const double x : {-40.0, -3.0, -0.5, 0.0, 0.25, 2.0, 30.0}) {
    check_slopes<gates::gla>(x);
    check_slopes<gates::gla>(x, 16.0);
    check_slopes<gates::sigmoid>(x);
    check_slopes<gates::exp_exp>(x);
    check_slopes<gates::rwkv7>(x);
    check_slopes<gates::mamba2>(x, 0.3, -0.7);
    for (const double lower : {0.0, 1e-3, 0.4, 0.99}) check_slopes<gates::hgrn2>(x, lower);
  }
}

TEST_CASE("log decays against long double") {
  for (const double x : {-700.0, -40.0, -3.0, -0.5, 0.0, 0.25, 2.0, 36.0}) {
    const long double s = 1 / (1 + expl(-(long double)x)), log_s = x < 0 ? x - log1pl(expl(x)) : -log1pl(expl(-(long double)x));
    CHECK(relative(gates::sigmoid::log_decay(x), double(log_s)) < 1e-15);
    CHECK(relative(gates::gla::log_decay(x), double(log_s / 16)) < 1e-15);
    CHECK(relative(gates::rwkv7::log_decay(x), double(-expl(-0.5L) * s)) < 1e-15);
    CHECK(relative(gates::exp_exp::log_decay(x), double(-expl(x))) < 1e-15);
    for (const double lower : {1e-3, 0.4, 0.999})
      CHECK(relative(gates::hgrn2::log_decay(x, lower), double(log1pl(-(1 - (long double)lower) / (1 + expl(x))))) < 2e-15);
  }
  CHECK(gates::hgrn2::log_decay(-1000.0, 0.0) == -1000.0);
  CHECK(gates::sigmoid::log_decay(-1e30f) == -1e30f);
}

TEST_CASE("no finite gate gives a number that is not finite, and none is positive") {
  for (const float x : {-3e38f, -1e4f, -100.f, 0.f, 80.f, 1e4f, 3e38f}) {
    for (const float l : {gates::sigmoid::log_decay(x), gates::gla::log_decay(x), gates::rwkv7::log_decay(x),
                          gates::hgrn2::log_decay(x, 0.f), gates::hgrn2::log_decay(x, 0.5f), gates::mamba2::log_decay(x, 0.f, -1.f)}) {
      CAPTURE(x);
      CHECK(std::isfinite(l));
      CHECK(l <= 0);
    }
    CHECK(std::isfinite(gates::hgrn2::pull_back(1.f, x, 0.5f)[0]));
  }
}

TEST_CASE("arrays: parameters per head are shared, and their gradients are sums") {
  constexpr idx B = 2, T = 5, H = 3;
  std::vector<double> x(B * T * H), bias{0.1, -0.2, 0.3}, A_log{0.5, 0, -1}, out(x.size()), d(x.size()), dx(x.size()), dbias(H), dA(H);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(double(i)), d[i] = std::cos(double(i));
  const auto c = [](const std::vector<double>& v) { return view(v.data(), B, T, H); };
  const auto m = [](std::vector<double>& v) { return view(v.data(), B, T, H); };
  const auto b = gates::over(view(std::as_const(bias).data(), H), c(x)), a = gates::over(view(std::as_const(A_log).data(), H), c(x));
  gates::log_decay<gates::mamba2>(m(out), c(x), b, a);
  gates::pull_back<gates::mamba2>(c(d), std::array{c(x), b, a},
                                  std::array{m(dx), gates::over(view(dbias.data(), H), c(x)), gates::over(view(dA.data(), H), c(x))});
  double bias_sum = 0, A_sum = 0;
  for (idx i = 0; i < B * T; ++i) {
    const auto at = std::size_t(i * H + 2);
    CHECK(out[at] == gates::mamba2::log_decay(x[at], 0.3, -1.0));
    bias_sum += dx[at];
    A_sum += d[at] * out[at];
  }
  CHECK(dbias[2] == doctest::Approx(bias_sum));
  CHECK(dA[2] == doctest::Approx(A_sum));
  CHECK_THROWS_AS(gates::over(view(std::as_const(bias).data(), 2), c(x)), invalid_input);
  // (H) over (B, T, H, n) starts at axis 2
  CHECK(gates::over(view(bias.data(), H), view(x.data(), 1, T, H, 2), 2)(0, 4, 1, 1) == bias[1]);
}
}  // namespace
