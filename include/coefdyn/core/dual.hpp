// SPDX-License-Identifier: MIT
#pragma once
#include <bit>
#include <cstdint>
#include <type_traits>

#include "config.hpp"

namespace coefdyn {

namespace detail {
/// 0 where the condition holds, else x: a choice that compilers do not make a branch of, so that loops over channels become vectors.
template <class R>
[[gnu::always_inline]] COEFDYN_HD constexpr R zero_if(bool condition, R x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<R, float>) return std::bit_cast<float>(std::bit_cast<std::int32_t>(x) & (std::int32_t(condition) - 1));
#endif
  return condition ? R(0) : x;
}
}  // namespace detail

/// a b, one of them a derivative: 0 times infinity is 0, since what a direction has no part in stays out of it, and a slope that has
/// left the range at 0 ends what overflows beside it. NaN stays NaN.
template <class R>
[[gnu::always_inline]] COEFDYN_HD constexpr R along(R a, R b) {
  constexpr R most = static_cast<R>(sizeof(R) > sizeof(float) ? 1.79e308 : 3.4e38);
  const bool a_is_infinite = (a > most) | (a < -most), b_is_infinite = (b > most) | (b < -most);
  return detail::zero_if(((a == R(0)) & b_is_infinite) | ((b == R(0)) & a_is_infinite), a * b);
}
/// What a gradient gives through a slope: none where the slope is 0, whatever it is, so that NaN in one stream's gradient stays there.
template <class R>
COEFDYN_HD constexpr R passed(R gradient, R slope) {
  return detail::zero_if(slope == R(0), along(gradient, slope));
}
/// d / v with a derivative d: 0 / 0 is 0.
template <class R>
[[gnu::always_inline]] COEFDYN_HD constexpr R derivative_over(R d, R v) {
  return d == R(0) && v == R(0) ? R(0) : d / v;
}

namespace detail {
template <class T>
COEFDYN_HD constexpr void loses_derivative() {
  static_assert(sizeof(T) == 0,
                "coefdyn: a policy calls a function of plain numbers (std::exp, exp, std::abs, ...); it is also called with dual numbers, "
                "for its derivative, so use math::exp, math::log, math::abs and their like, always qualified.");
}
/// A dual number as the argument of an unqualified exp: found beside dual, after every other function of that name.
template <class Dual>
struct unqualified {
  COEFDYN_HD constexpr unqualified(const Dual&) { loses_derivative<Dual>(); }
};
}  // namespace detail

/// v + d epsilon with epsilon^2 = 0: the derivative of any policy function, in one pass.
///
/// Nests (dual<dual<R>>), so a dual number may itself be the scalar type of a whole form (forward mode).
template <class R>
struct dual {
  R v{};  // value
  R d{};  // derivative

  constexpr dual() = default;
  [[gnu::always_inline]] COEFDYN_HD constexpr dual(R value, R derivative = R{}) : v(value), d(derivative) {}
  template <class A>
    requires(std::is_arithmetic_v<A> && !std::is_same_v<A, R>)
  COEFDYN_HD constexpr dual(A value) : v(static_cast<R>(value)), d{} {}
  /// std::exp and its like get one sentence: of their overloads only that of long double is met.
  template <class T>
    requires std::is_same_v<T, long double>
  COEFDYN_HD constexpr operator T() const {
    detail::loses_derivative<dual>();
    return T();
  }
#define COEFDYN_UNQUALIFIED(NAME) \
  COEFDYN_HD friend constexpr dual NAME(detail::unqualified<dual>) { return {}; }
  COEFDYN_UNQUALIFIED(exp)
  COEFDYN_UNQUALIFIED(expm1)
  COEFDYN_UNQUALIFIED(log)
  COEFDYN_UNQUALIFIED(log1p)
  COEFDYN_UNQUALIFIED(tanh)
  COEFDYN_UNQUALIFIED(sqrt)
  COEFDYN_UNQUALIFIED(sin)
  COEFDYN_UNQUALIFIED(cos)
  COEFDYN_UNQUALIFIED(abs)
  COEFDYN_UNQUALIFIED(fabs)
#undef COEFDYN_UNQUALIFIED

  [[gnu::always_inline]] COEFDYN_HD friend constexpr dual operator+(dual a, dual b) { return {a.v + b.v, a.d + b.d}; }
  [[gnu::always_inline]] COEFDYN_HD friend constexpr dual operator-(dual a, dual b) { return {a.v - b.v, a.d - b.d}; }
  [[gnu::always_inline]] COEFDYN_HD friend constexpr dual operator-(dual a) { return {-a.v, -a.d}; }
  [[gnu::always_inline]] COEFDYN_HD friend constexpr dual operator*(dual a, dual b) {
    return {a.v * b.v, along(a.d, b.v) + along(a.v, b.d)};
  }
  [[gnu::always_inline]] COEFDYN_HD friend constexpr dual operator/(dual a, dual b) {
    const R q = a.v / b.v;
    return {q, derivative_over(a.d - along(q, b.d), b.v)};
  }
  [[gnu::always_inline]] COEFDYN_HD constexpr dual& operator+=(dual b) { return *this = *this + b; }
  [[gnu::always_inline]] COEFDYN_HD constexpr dual& operator-=(dual b) { return *this = *this - b; }
  [[gnu::always_inline]] COEFDYN_HD constexpr dual& operator*=(dual b) { return *this = *this * b; }
  [[gnu::always_inline]] COEFDYN_HD friend constexpr bool operator<(dual a, dual b) { return a.v < b.v; }
  [[gnu::always_inline]] COEFDYN_HD friend constexpr bool operator>(dual a, dual b) { return a.v > b.v; }
  [[gnu::always_inline]] COEFDYN_HD friend constexpr bool operator<=(dual a, dual b) { return a.v <= b.v; }
  [[gnu::always_inline]] COEFDYN_HD friend constexpr bool operator>=(dual a, dual b) { return a.v >= b.v; }
  [[gnu::always_inline]] COEFDYN_HD friend constexpr bool operator==(dual a, dual b) { return a.v == b.v; }
};

// With a plain number, which the conversion above would otherwise leave undecided.
#define COEFDYN_WITH_PLAIN(RESULT, OP)                                             \
  template <class R, class A>                                                      \
    requires std::is_arithmetic_v<A>                                               \
  [[gnu::always_inline]] COEFDYN_HD constexpr RESULT operator OP(dual<R> a, A b) { \
    return a OP dual<R>(b);                                                        \
  }                                                                                \
  template <class R, class A>                                                      \
    requires std::is_arithmetic_v<A>                                               \
  [[gnu::always_inline]] COEFDYN_HD constexpr RESULT operator OP(A a, dual<R> b) { \
    return dual<R>(a) OP b;                                                        \
  }
COEFDYN_WITH_PLAIN(dual<R>, +)
COEFDYN_WITH_PLAIN(dual<R>, -)
COEFDYN_WITH_PLAIN(dual<R>, *)
COEFDYN_WITH_PLAIN(dual<R>, /)
COEFDYN_WITH_PLAIN(bool, <)
COEFDYN_WITH_PLAIN(bool, >)
COEFDYN_WITH_PLAIN(bool, <=)
COEFDYN_WITH_PLAIN(bool, >=)
COEFDYN_WITH_PLAIN(bool, ==)
#undef COEFDYN_WITH_PLAIN

/// The same of dual numbers, by the product rule.
template <class R>
[[gnu::always_inline]] COEFDYN_HD constexpr dual<R> along(dual<R> a, dual<R> b) {
  return {along(a.v, b.v), along(a.d, b.v) + along(a.v, b.d)};
}

/// The same of dual numbers, by the product rule.
template <class R>
COEFDYN_HD constexpr dual<R> passed(dual<R> gradient, dual<R> slope) {
  return {passed(gradient.v, slope.v), passed(gradient.d, slope.v) + passed(gradient.v, slope.d)};
}

/// Whether R is a dual<..>.
template <class R>
constexpr bool is_dual = false;
template <class R>
constexpr bool is_dual<dual<R>> = true;

}  // namespace coefdyn
