// SPDX-License-Identifier: MIT
// The small number types: complex, dual, bf16, half, the functions of math.hpp, and loops over channels.
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/core/channels.hpp>
#include <coefdyn/core/complex.hpp>
#include <coefdyn/core/dual.hpp>
#include <coefdyn/core/low_precision.hpp>
#include <coefdyn/core/math.hpp>
#include <complex>
#include <cstring>
#include <limits>

namespace {
using namespace coefdyn;
using d1 = dual<double>;
using d2 = dual<dual<double>>;

/// The value of a half by the definition of the format.
double half_value(unsigned bits) {
  const int exponent = int(bits >> 10 & 31), mantissa = int(bits & 1023);
  const double size = exponent == 31 ? (mantissa ? math::not_a_number<double>() : math::infinity<double>())
                      : exponent     ? std::ldexp(1024 + mantissa, exponent - 25)
                                     : std::ldexp(mantissa, -24);
  return bits & 0x8000u ? -size : size;
}
/// Whether results below the normal range are 0, as programs linked with -ffast-math have it.
bool flushes_subnormals() {
  volatile float smallest = std::numeric_limits<float>::min();
  return smallest * 0.5f == 0.f;
}
}  // namespace

TEST_CASE("every half and every bf16 survives a round trip through float") {
  int wrong = 0;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    half h;
    h.bits = std::uint16_t(bits);
    const double wanted = half_value(bits);
    const bool nan = math::is_nan(wanted);
    if (nan ? !math::is_nan(float(h)) : double(float(h)) != wanted) ++wrong;
    if (!nan && half(float(h)).bits != bits) ++wrong;
    bf16 b;
    b.bits = std::uint16_t(bits);
    const float f = float(b);
    if (math::is_nan(f) ? !math::is_nan(float(bf16(f))) : bf16(f).bits != bits) ++wrong;
  }
  CHECK(wrong == 0);
}
TEST_CASE("half and bf16 round to the nearest, ties to even") {
  int wrong = 0;
  for (unsigned bits = 0; bits < 0x7bff; bits += 7) {  // between each finite half and the next
    const double a = half_value(bits), b = half_value(bits + 1), middle = (a + b) / 2;
    wrong += half(float(middle)).bits != (bits % 2 ? bits + 1 : bits);
    wrong += half(float(a + (b - a) * 0.49)).bits != bits;
    wrong += half(float(a + (b - a) * 0.51)).bits != bits + 1;
  }
  CHECK(wrong == 0);
  CHECK(float(half(65519.0f)) == 65504.0f);
  CHECK(half(65520.0f).bits == 0x7c00u);  // infinity
  CHECK(half(-1e30f).bits == 0xfc00u);
  CHECK(float(bf16(1.0f + 1.0f / 256)) == 1.0f);               // tie, down to even
  CHECK(float(bf16(1.0f + 3.0f / 256)) == 1.0f + 4.0f / 256);  // tie, up to even
  CHECK(math::is_nan(float(bf16(math::not_a_number<float>()))));
  CHECK(math::is_nan(float(half(math::not_a_number<float>()))));
}

TEST_CASE("complex numbers agree with the standard ones") {
  const complex<double> a{1.5, -2}, b{-0.25, 3};
  const std::complex<double> x(1.5, -2), y(-0.25, 3);
  CHECK((a * b).re == (x * y).real());
  CHECK((a * b).im == (x * y).imag());
  CHECK((2.0 * a - b).im == (2.0 * x - y).imag());
  CHECK(conj(a).im == 2);
  CHECK(sizeof(complex<float>) == 8);
  const complex<double> p = math::polar_exp(-0.5, 2.0);
  CHECK(p.re == doctest::Approx(std::exp(-0.5) * std::cos(2.0)));
  CHECK(p.im == doctest::Approx(std::exp(-0.5) * std::sin(2.0)));
}

TEST_CASE("dual numbers are derivatives, nested ones second derivatives") {
  const auto check = [](auto f, double x) {
    const double h = 1e-6;
    CHECK(f(d1(x, 1.0)).v == f(x));
    CHECK(f(d1(x, 1.0)).d == doctest::Approx((f(x + h) - f(x - h)) / (2 * h)).epsilon(1e-7));
    const auto slope = [&](double at) { return f(d1(at, 1.0)).d; };
    CHECK(f(d2(d1(x, 1.0), d1(1.0, 0.0))).d.d == doctest::Approx((slope(x + h) - slope(x - h)) / (2 * h)).epsilon(1e-6));
  };
  for (double x : {-1.3, -0.2, 0.4, 2.1}) {
    check([](auto t) { return math::exp(t); }, x);
    check([](auto t) { return math::expm1(t) * math::sin(t) - math::cos(t); }, x);
    check([](auto t) { return math::tanh(t); }, x);
    check([](auto t) { return math::sigmoid(t); }, x);
    check([](auto t) { return math::softplus(t); }, x);
    check([](auto t) { return math::elu(t); }, x);
    check([](auto t) { return math::log(t * t + decltype(t)(1)) / math::sqrt(t * t + decltype(t)(2)); }, x);
    check([](auto t) { return math::log1p(math::abs(t)); }, x);
    check([](auto t) { return math::max(t, decltype(t)(0.1)) * math::min(t, decltype(t)(0.3)); }, x);
  }
}

TEST_CASE("no function of math.hpp overflows where its value is finite") {
  for (double x : {-1e4, -800.0, 800.0, 1e4}) {
    CHECK(math::sigmoid(x) == (x > 0 ? 1.0 : 0.0));
    CHECK(math::softplus(x) == (x > 0 ? x : 0.0));
    CHECK(math::elu(x) == (x > 0 ? x : -1.0));
    CHECK(math::is_finite(math::softplus(d1(x, 1.0)).d));
    CHECK(math::is_finite(math::elu(d1(x, 1.0)).d));
    CHECK(math::is_finite(math::sigmoid(d1(x, 1.0)).d));
  }
}

TEST_CASE("math: float exp and expm1 are within 2 ulp of double, from subnormal numbers to overflow") {
  const auto check = [](auto of, auto exact, float x) {
    const float y = of(x), near = static_cast<float>(exact(double(x)));
    CAPTURE(x);
    if (!math::is_finite(near)) {
      CHECK(y == near);
      return;
    }
    constexpr float smallest = 2 * std::numeric_limits<float>::min();  // expm1 takes halves
    if (flushes_subnormals() && std::abs(near) < smallest) {
      CHECK(std::abs(y) <= smallest);
      return;
    }
    const double ulp = double(std::nextafter(std::abs(near), std::numeric_limits<float>::max())) - double(std::abs(near));
    CHECK(std::abs(double(y) - exact(double(x))) <= 2 * ulp);
  };
  const auto both = [&](float x) {
    check([](float t) { return math::exp(t); }, [](double t) { return std::exp(t); }, x);
    check([](float t) { return math::expm1(t); }, [](double t) { return std::expm1(t); }, x);
  };
  for (int i = -11000; i <= 9200; ++i) both(float(i) * 0.01f + 0.0037f);
  for (float x = 1; x > 1e-44f; x *= 0.7f) both(x), both(-x);
  for (float x : {0.f, -0.f, 88.72283f, 88.72284f, 89.f, 1e30f, -87.3f, -103.9f, -104.1f, -1e30f, math::infinity<float>(),
                  math::minus_infinity<float>()})
    both(x);
  CHECK(math::exp(0.f) == 1.f);
  CHECK(math::is_nan(math::exp(math::not_a_number<float>())));
  CHECK(math::is_nan(math::expm1(math::not_a_number<float>())));
}

TEST_CASE("loops over channels meet each of them once, whatever their number") {
  for (int n = 1; n <= 70; ++n) {
    CAPTURE(n);
    const auto f = [&](int c) { return float((c * 29 + n) % n - n); };  // the largest, -1, anywhere
    float each[72];
    for (float& x : each) x = 7;
    by_channel(n, each, f);
    int wrong = 0;
    double sum = 0;
    float most = f(0);
    for (int c = 0; c < n; ++c) wrong += each[c] != f(c), sum += double(f(c)), most = f(c) > most ? f(c) : most;
    CHECK((wrong == 0 && each[n] == 7 && each[n + 1] == 7));
    CHECK(double(sum_over<float>(n, f)) == sum);
    CHECK(max_over<float>(n, f) == most);
  }
}

TEST_CASE("choices keep values, slopes and what only one side may see") {
  for (float a : {-2.f, -0.f, 3.f, math::infinity<float>(), math::minus_infinity<float>()})
    for (float b : {-1.f, 0.f, 5.f, math::infinity<float>()}) {
      CHECK(math::select(true, a, b) == a);
      CHECK(math::select(false, a, b) == b);
      CHECK(math::max(a, b) == (a < b ? b : a));
      CHECK(math::min(a, b) == (b < a ? b : a));
    }
  CHECK(math::select(true, 1.f, math::not_a_number<float>()) == 1.f);
  const dual<float> chosen = math::max(dual<float>(2.f, 5.f), dual<float>(1.f, math::not_a_number<float>()));
  CHECK((chosen.v == 2.f && chosen.d == 5.f));
}

TEST_CASE_TEMPLATE("infinities and NaN are told apart", R, float, double) {
  const R inf = math::infinity<R>(), nan = math::not_a_number<R>(), most = std::numeric_limits<R>::max();
  for (R x : {R(0), R(1), -most, most, std::numeric_limits<R>::denorm_min()})
    CHECK((math::is_finite(x) && !math::is_infinite(x) && !math::is_nan(x)));
  for (R x : {inf, math::minus_infinity<R>()}) CHECK((!math::is_finite(x) && math::is_infinite(x) && !math::is_nan(x)));
  CHECK((!math::is_finite(nan) && !math::is_infinite(nan) && math::is_nan(nan)));
  CHECK((!math::is_finite(dual<R>(nan)) && math::is_finite(dual<R>(R(1), nan))));
  CHECK((inf > most && math::minus_infinity<R>() < -most));
  CHECK((math::is_unset(math::unset_maximum<R>()) && math::is_unset(math::minus_infinity<R>())));
  for (R x : {inf, nan, R(0), most, R(-most / 2), R(-1e30)}) CHECK(!math::is_unset(x));
  CHECK(math::is_unset(math::converted_maximum<float>(std::numeric_limits<R>::lowest())));
  CHECK(math::is_unset(math::converted_maximum<double>(std::numeric_limits<R>::lowest())));
  CHECK(math::converted_maximum<float>(R(-1e30)) == -1e30f);
  static_assert(math::is_nan(math::not_a_number<R>()) && math::is_infinite(math::infinity<R>()) && math::is_finite(R(1)));
}
