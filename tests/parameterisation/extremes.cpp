// SPDX-License-Identifier: MIT
// Gates at the ends of their range: products of what underflows with what overflows.
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/parameterisation/all.hpp>
#include <limits>

namespace {
using namespace coefdyn;
namespace gates = parameterisation;

constexpr float infinite = std::numeric_limits<float>::infinity();

/// `value` is the float nearest to `want`, within a few roundings of the exponent; infinite where float has no such number.
void check_close(float value, long double want) {
  CAPTURE(value);
  CAPTURE(double(want));
  if (fabsl(want) > 3.41e38L) CHECK(value == (want > 0 ? infinite : -infinite));
  else if (fabsl(want) < 3.3e38L) CHECK(fabsl(value - want) <= 3e-5L * fabsl(want) + 2e-45L);
}

TEST_CASE("a b e^x leaves the range only where the product does") {
  for (const float a : {-3e38f, -1.f, 1e-44f, 1e-30f, 0.3f, 1e20f})
    for (const float b : {1e-44f, 1e-30f, 2.f, 1e20f, 3e38f})
      for (const float x : {-400.f, -260.f, -150.f, -88.f, -1.f, 0.f, 3.f, 88.f, 150.f, 200.f, 300.f, 3e38f})
        check_close(math::times_exp(a, b, x), (long double)a * b * expl(x));
  for (const float x : {90.f, 1e30f, infinite}) CHECK(math::times_exp(0.f, x) == 0);
  CHECK(math::times_exp(1e30, 1e-300, 1000.0) == doctest::Approx(std::exp(1000.0 - 270 * std::log(10.0))).epsilon(1e-12));
  for (const float x : {-200.f, 0.f, 200.f}) CHECK(std::isnan(math::times_exp(std::nanf(""), x)));
  CHECK(std::isnan(math::times_exp(0.f, std::nanf(""))));
  const dual<float> slope = math::times_exp(dual<float>(1e-30f, 1.f), dual<float>(1e-10f), dual<float>(150.f, 2.f));
  check_close(slope.v, (long double)1e-30f * 1e-10f * expl(150));
  check_close(slope.d, (long double)1e-10f * expl(150) * (1 + 2 * (long double)1e-30f));
}

TEST_CASE("a gradient of 0 stays 0, however steep the gate") {
  for (const float x : {-3e38f, -1000.f, -110.f, -90.f, 0.f, 90.f, 110.f, 1000.f, 3e38f}) {
    CAPTURE(x);
    CHECK(gates::exp_exp::pull_back(0.f, x)[0] == 0);
    CHECK(gates::sigmoid::pull_back(0.f, x)[0] == 0);
    CHECK(gates::rwkv7::pull_back(0.f, x)[0] == 0);
    for (const float tau : {1e-38f, 1e-23f, 16.f, 1e30f})
      for (int i : {0, 1}) CHECK(gates::gla::pull_back(0.f, x, tau)[i] == 0);
    for (const float lower : {0.f, 1e-40f, 0.5f})
      for (int i : {0, 1}) CHECK(gates::hgrn2::pull_back(0.f, x, lower)[i] == 0);
    for (const float A : {-200.f, 0.f, 90.f, 200.f})
      for (int i : {0, 1, 2}) CHECK(gates::mamba2::pull_back(0.f, x, 0.f, A)[i] == 0);
  }
}

TEST_CASE("a steep gate's value and gradient are finite where the result is") {
  CHECK(gates::mamba2::log_decay(-110.f, 0.f, 90.f) == doctest::Approx(-std::exp(-20.0)).epsilon(1e-5));
  for (const float x : {-300.f, -110.f, -90.f, -60.f, -20.f, 5.f})
    for (const float A : {-300.f, -60.f, 0.f, 60.f, 90.f, 130.f, 300.f})
      for (const float d : {1e-38f, 1e-20f, -1.f, 1e10f}) {
        CAPTURE(x);
        CAPTURE(A);
        CAPTURE(d);
        const long double step = log1pl(expl(x)), rate = expl(A), gate = 1 / (1 + expl(-(long double)x));
        check_close(gates::mamba2::log_decay(x, 0.f, A), -step * rate);
        const auto slopes = gates::mamba2::pull_back(d, x, 0.f, A);
        check_close(slopes[0], -d * gate * rate);
        check_close(slopes[1], -d * gate * rate);
        check_close(slopes[2], -d * step * rate);
        const dual<float> by_x = gates::mamba2::log_decay(dual<float>(x, 1.f), dual<float>(0.f), dual<float>(A));
        const dual<float> by_A = gates::mamba2::log_decay(dual<float>(x), dual<float>(0.f), dual<float>(A, 1.f));
        check_close(by_x.d, -gate * rate);
        check_close(by_A.d, -step * rate);
      }
  for (const float x : {50.f, 90.f, 120.f}) check_close(gates::exp_exp::pull_back(1e-30f, x)[0], -(long double)1e-30f * expl(x));
  for (const float x : {-60.f, -90.f, -120.f}) {
    const auto by_lower = gates::hgrn2::pull_back(1e-30f, x, 0.f)[1];  // d log(lower + (1 - lower) s) = (1 - s) / s
    check_close(by_lower, (long double)1e-30f * expl(-(long double)x));
    const dual<float> dual_lower = gates::hgrn2::log_decay(dual<float>(x), dual<float>(0.f, 1.f));
    check_close(dual_lower.d, expl(-(long double)x));
    CHECK(gates::hgrn2::log_decay(dual<float>(x, 1.f), dual<float>(0.f)).d == doctest::Approx(1));
  }
}

TEST_CASE("NaN goes through every gate") {
  const float none = std::nanf("");
  CHECK(std::isnan(gates::exp_exp::log_decay(none)));
  CHECK(std::isnan(gates::sigmoid::log_decay(none)));
  CHECK(std::isnan(gates::gla::log_decay(none)));
  CHECK(std::isnan(gates::rwkv7::log_decay(none)));
  CHECK(std::isnan(gates::hgrn2::log_decay(none, 0.f)));
  for (const float x : {-200.f, -90.f, 0.f, 90.f}) {
    CHECK(std::isnan(gates::hgrn2::log_decay(x, none)));
    CHECK(std::isnan(gates::mamba2::log_decay(none, 0.f, x)));
    CHECK(std::isnan(gates::mamba2::log_decay(x, none, 0.f)));
    CHECK(std::isnan(gates::mamba2::log_decay(x, 0.f, none)));
    CHECK(std::isnan(gates::exp_exp::pull_back(none, x)[0]));
    CHECK(std::isnan(gates::hgrn2::pull_back(none, x, 0.f)[1]));
    CHECK(std::isnan(gates::mamba2::pull_back(none, x, 0.f, 0.f)[2]));
  }
}
}  // namespace
