// SPDX-License-Identifier: MIT
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "complex.hpp"
#include "dual.hpp"
#include "floating.hpp"

/// Functions for policies, generic over float, double and dual numbers, in host and device code. Always call them
/// qualified (`math::exp`): a bare `abs(-0.5f)` is silently 0 on g++ and clang.
namespace coefdyn::math {

namespace detail {
/// Numbers of float's e^x: ln 2 in two parts, and e^r = 1 + r + r^2 (c[5] + c[4] r + ...), minimax coefficients of SLEEF.
struct float_exp {
  static constexpr float log2_e = 1.442695040888963407359924681f, ln2_high = 0.693145751953125f, ln2_low = 1.428606765330187045e-06f;
  static constexpr float big = 12582912.f;  // 1.5 2^23: the lowest bits of n + big hold n
  static constexpr float c[] = {0.000198527617612853646278381f, 0.00139304355252534151077271f, 0.00833336077630519866943359f,
                                0.0416664853692054748535156f,   0.166666671633720397949219f,   0.5f};
};
/// a where the condition holds, else b: a choice that compilers do not make a branch of.
[[gnu::always_inline]] constexpr float chosen(bool condition, float a, float b) {
  const std::int32_t mask = -std::int32_t(condition);
  return std::bit_cast<float>((std::bit_cast<std::int32_t>(a) & mask) | (std::bit_cast<std::int32_t>(b) & ~mask));
}
/// e^r - 1 and 2^n of x = n ln 2 + r, in float, without a branch or a loop, so that loops over channels become vectors. x is brought
/// into range first, where both results stay 0, -1 or infinite.
struct split_exp : float_exp {
  float rest;
  std::int32_t n;
  [[gnu::always_inline]] split_exp(float x, float lowest) {
    COEFDYN_SUMS_IN_ORDER
    x = chosen(x < lowest, lowest, x);
    x = chosen(x > 89.f, 89.f, x);
    const float shifted = in_order(x * log2_e + big), whole = shifted - big;
    const float r = in_order(x - whole * ln2_high) - whole * ln2_low;
    const float p = ((((c[0] * r + c[1]) * r + c[2]) * r + c[3]) * r + c[4]) * r + c[5];
    rest = r * r * p + r;
    n = std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(big);
  }
  [[gnu::always_inline]] static float power(std::int32_t n) { return std::bit_cast<float>((n + 127) << 23); }
};
/// y = f(x), or x where that is NaN and the compiler has brought it into range all the same.
[[gnu::always_inline]] inline float nan_or([[maybe_unused]] float x, float y) {
#if defined(COEFDYN_DENIES_NAN)
  return chosen((std::bit_cast<std::int32_t>(x) & 0x7fffffff) > 0x7f800000, x, y);
#else
  return y;
#endif
}
/// Within 2 ulp. Two factors, so that a result below the normal range is rounded once.
[[gnu::always_inline]] inline float exp(float x) {
  COEFDYN_SUMS_IN_ORDER
  const split_exp s(x, -105.f);
  const std::int32_t half = s.n >> 1;
  return nan_or(x, in_order(split_exp::power(half) * s.rest + split_exp::power(half)) * split_exp::power(s.n - half));
}
/// Within 2 ulp. Twice 2^(n-1) (e^r - 1) + 2^(n-1) - 1/2, since 2^(n-1) is finite up to the largest float.
[[gnu::always_inline]] inline float expm1(float x) {
  COEFDYN_SUMS_IN_ORDER
  const split_exp s(x, -20.f);
  const float half = split_exp::power(s.n - 1);
  return nan_or(x, 2.f * in_order(half * s.rest + in_order(half - 0.5f)));
}
}  // namespace detail

#if defined(__CUDA_ARCH__)
/// Functions whose names nvcc takes for the hardware's approximations under --use_fast_math, by others that it leaves alone. What
/// is left to it: exp, whose relative error grows to 2^-23 (2 + 1.2 |x|), division and square root of 2 ulp, subnormal numbers as 0.
namespace detail {
/// By sin and cos of pi w, w = x / pi in two parts, brought to [-1, 1].
struct sine_cosine {
  float sine, cosine;
  COEFDYN_HD explicit sine_cosine(float x) {
    constexpr float high = 0.318309873f, low = 1.28412767e-8f;  // 1 / pi
    const float product = __fmul_rn(x, high), error = __fmaf_rn(x, low, __fmaf_rn(x, high, -product));
    const float near = __fmaf_rn(-2.f, ::rintf(0.5f * product), product);  // exact
    const float w = __fadd_rn(near, error), turn = 3.14159274f * __fsub_rn(error, __fsub_rn(w, near));
    float s, c;
    ::sincospif(w, &s, &c);
    sine = __fmaf_rn(c, turn, s), cosine = __fmaf_rn(-s, turn, c);
  }
};
COEFDYN_HD inline float tanh(float x) {
  const float t = ::expm1f(-2.f * ::fabsf(x));
  return ::copysignf(t / (2.f + t), x);
}
}  // namespace detail
#endif

// clang-format off
/// A function of the standard library for numbers of its type, the same on a GPU.
///@{
#if defined(__CUDA_ARCH__)
COEFDYN_HD inline float  exp(float x)    { return ::expf(x); }
COEFDYN_HD inline float  expm1(float x)  { return ::expm1f(x); }
COEFDYN_HD inline float  log(float x)    { return x > 0.5f && x < 2.f ? ::log1pf(x - 1.f) : ::logf(x); }
COEFDYN_HD inline float  tanh(float x)   { return detail::tanh(x); }
COEFDYN_HD inline float  sin(float x)    { return detail::sine_cosine(x).sine; }
COEFDYN_HD inline float  cos(float x)    { return detail::sine_cosine(x).cosine; }
#else
COEFDYN_HD inline float  log(float x)    { return ::logf(x); }
COEFDYN_HD inline float  tanh(float x)   { return ::tanhf(x); }
COEFDYN_HD inline float  sin(float x)    { return ::sinf(x); }
COEFDYN_HD inline float  cos(float x)    { return ::cosf(x); }
[[gnu::always_inline]] COEFDYN_HD inline float  exp(float x)    { return detail::exp(x); }
[[gnu::always_inline]] COEFDYN_HD inline float  expm1(float x)  { return detail::expm1(x); }
#endif
COEFDYN_HD inline double exp(double x)   { return ::exp(x); }
COEFDYN_HD inline double expm1(double x) { return ::expm1(x); }
COEFDYN_HD inline double log(double x)   { return ::log(x); }
COEFDYN_HD inline float  log1p(float x)  { return ::log1pf(x); }
COEFDYN_HD inline double log1p(double x) { return ::log1p(x); }
COEFDYN_HD inline double tanh(double x)  { return ::tanh(x); }
COEFDYN_HD inline float  sqrt(float x)   { return ::sqrtf(x); }
COEFDYN_HD inline double sqrt(double x)  { return ::sqrt(x); }
COEFDYN_HD inline double sin(double x)   { return ::sin(x); }
COEFDYN_HD inline double cos(double x)   { return ::cos(x); }
///@}

/// A number type that brings its own functions, found beside it under these names.
template <class R>
concept own_functions = requires(R x) { own_exp(x); };
/// The function that such a number brings.
///@{
template <own_functions R> COEFDYN_HD R exp(R x)   { return own_exp(x); }
template <own_functions R> COEFDYN_HD R expm1(R x) { return own_expm1(x); }
template <own_functions R> COEFDYN_HD R log(R x)   { return own_log(x); }
template <own_functions R> COEFDYN_HD R log1p(R x) { return own_log1p(x); }
template <own_functions R> COEFDYN_HD R tanh(R x)  { return own_tanh(x); }
template <own_functions R> COEFDYN_HD R sqrt(R x)  { return own_sqrt(x); }
template <own_functions R> COEFDYN_HD R sin(R x)   { return own_sin(x); }
template <own_functions R> COEFDYN_HD R cos(R x)   { return own_cos(x); }
///@}
// clang-format on

/// a where the condition holds, else b: a choice that dual numbers pass through.
template <class R>
[[gnu::always_inline]] COEFDYN_HD constexpr R select(bool condition, R a, R b) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<R, float>) return detail::chosen(condition, a, b);
#endif
  return condition ? a : b;
}
/// The same for dual numbers: value and slope of the one that is chosen.
template <class R>
[[gnu::always_inline]] COEFDYN_HD constexpr dual<R> select(bool condition, dual<R> a, dual<R> b) {
  return {select(condition, a.v, b.v), select(condition, a.d, b.d)};
}
/// The larger of a and b; a where they compare neither way.
template <class R>
[[gnu::always_inline]] COEFDYN_HD constexpr R max(R a, R b) {
  return a < b ? b : a;
}
/// The smaller of a and b; a where they compare neither way.
template <class R>
[[gnu::always_inline]] COEFDYN_HD constexpr R min(R a, R b) {
  return b < a ? b : a;
}
/// |a|; at 0 a dual number's slope is 1.
template <class R>
[[gnu::always_inline]] COEFDYN_HD constexpr R abs(R a) {
  return a < R(0) ? -a : a;
}

/// The function of a dual number, with its slope.
///@{
template <class R>
[[gnu::always_inline]] COEFDYN_HD inline dual<R> exp(dual<R> x) {
  const R e = exp(x.v);
  return {e, along(e, x.d)};
}
template <class R>
[[gnu::always_inline]] COEFDYN_HD inline dual<R> expm1(dual<R> x) {  // a call would keep loops over channels scalar
  return {expm1(x.v), along(exp(x.v), x.d)};
}
template <class R>
COEFDYN_HD dual<R> log(dual<R> x) {
  return {log(x.v), derivative_over(x.d, x.v)};
}
template <class R>
COEFDYN_HD dual<R> log1p(dual<R> x) {
  return {log1p(x.v), derivative_over(x.d, R(1) + x.v)};
}
template <class R>
COEFDYN_HD dual<R> tanh(dual<R> x) {
  const R t = tanh(x.v);
  return {t, along(R(1) - t * t, x.d)};
}
/// The slope at 0, infinite, counts as 0.
template <class R>
COEFDYN_HD dual<R> sqrt(dual<R> x) {
  const R s = sqrt(x.v);
  return {s, s == R(0) ? R(0) : x.d / (R(2) * s)};
}
template <class R>
COEFDYN_HD dual<R> cos(dual<R> x);
template <class R>
COEFDYN_HD dual<R> sin(dual<R> x) {
  return {sin(x.v), cos(x.v) * x.d};
}
template <class R>
COEFDYN_HD dual<R> cos(dual<R> x) {
  return {cos(x.v), -(sin(x.v) * x.d)};
}
///@}

/// The running maximum of nothing: the lowest finite number. A maximum of anything finite is no smaller, and e^(this - maximum) is 0
/// for every other one, so e^(old - new maximum) needs no case of its own: only a sum with a maximum has to ask `is_unset`.
template <class R>
COEFDYN_HD constexpr R unset_maximum() {
  if constexpr (is_dual<R>) {
    return R(unset_maximum<decltype(R{}.v)>());
  } else {
    constexpr R lowest = std::numeric_limits<R>::lowest();
    return lowest;
  }
}
/// Whether a maximum is still that of nothing.
template <class R>
COEFDYN_HD constexpr bool is_unset(R maximum) {
  if constexpr (is_dual<R>) return is_unset(maximum.v);
  else return detail::size_bits(maximum) - detail::size_bits(unset_maximum<R>()) <= 1 && maximum < R(0);  // -inf is the next
}
/// A maximum in another type, where one beyond that type's range counts as none.
template <class To, class From>
COEFDYN_HD constexpr To converted_maximum(From m) {
  using narrow = std::conditional_t<(sizeof(To) < sizeof(From)), To, From>;
  return is_unset(m) || m <= static_cast<From>(unset_maximum<narrow>()) ? unset_maximum<To>() : static_cast<To>(m);
}

/// The largest x whose e^-x still has an inverse that is a finite number.
template <class R>
constexpr double deepest_exponent = sizeof(R) > sizeof(float) ? 708 : 87;
template <class R>
constexpr double deepest_exponent<dual<R>> = deepest_exponent<R>;

/// 1 / (1 + e^-x) from e = e^-|x|.
template <class R>
[[gnu::always_inline]] COEFDYN_HD inline R sigmoid_of(R x, R e) {
  return select(x < R(0), e, R(1)) / (R(1) + e);
}
/// 1 / (1 + e^-x), with no exponent above zero.
template <class R>
[[gnu::always_inline]] COEFDYN_HD inline R sigmoid(R x) {
  return sigmoid_of(x, exp(-abs(x)));
}
/// The same with its slope e / (1 + e)^2.
template <class R>
[[gnu::always_inline]] COEFDYN_HD inline dual<R> sigmoid(dual<R> x) {  // a call would keep loops over channels scalar
  const R e = exp(-abs(x.v)), share = R(1) / (R(1) + e);
  return {select(x.v < R(0), e, R(1)) * share, along(e * share * share, x.d)};
}
/// log(1 + e) for 0 <= e <= 1. In float within 2 ulp: twice artanh(e / (2 + e)), of which loops over channels become vectors.
template <class R>
[[gnu::always_inline]] COEFDYN_HD inline R log1p_of_unit(R e) {
  if constexpr (std::is_same_v<R, float>) {
    const R s = e / (R(2) + e), q = s * s;
    const R rest = R(1.0 / 5) + q * (R(1.0 / 7) + q * (R(1.0 / 9) + q * (R(1.0 / 11) + q * R(1.0 / 13))));
    return R(2) * s * (R(1) + q * (R(1.0 / 3) + q * rest));
  } else {
    return log1p(e);
  }
}
/// log(1 + e^x), with no exponent above zero.
template <class R>
[[gnu::always_inline]] COEFDYN_HD inline R softplus(R x) {
  if constexpr (own_functions<R>) return own_softplus(x);
  else return select(x < R(0), R(0), x) + log1p_of_unit(exp(-abs(x)));
}
/// The same with its slope, the sigmoid.
template <class R>
[[gnu::always_inline]] COEFDYN_HD inline dual<R> softplus(dual<R> x) {
  const R e = exp(-abs(x.v));
  return {select(x.v < R(0), R(0), x.v) + log1p_of_unit(e), along(sigmoid_of(x.v, e), x.d)};
}
/// max(x, 0), and NaN for NaN; at 0 a dual number's slope is 0.
template <class R>
COEFDYN_HD R positive_part(R x) {
  if constexpr (requires { own_positive_part(x); }) return own_positive_part(x);
  else return select(x <= R(0), R(0), x);
}
/// x for x > 0, e^x - 1 below.
template <class R>
COEFDYN_HD R elu(R x) {
  return select(x > R(0), x, expm1(select(x > R(0), R(0), x)));
}
/// e^(log_modulus + i angle).
template <class R>
COEFDYN_HD complex<R> polar_exp(R log_modulus, R angle) {
  const R r = exp(log_modulus);
  return {r * cos(angle), r * sin(angle)};
}

}  // namespace coefdyn::math
