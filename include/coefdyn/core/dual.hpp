// SPDX-License-Identifier: MIT
#pragma once
#include <type_traits>

#include "config.hpp"

namespace coefdyn {

/// a b, one of them a derivative: 0 times infinity is 0, since what a direction has no part in stays out of it, and a slope that has
/// left the range at 0 ends what overflows beside it. NaN stays NaN.
template <class R>
COEFDYN_HD constexpr R along(R a, R b) {
  constexpr R most = static_cast<R>(sizeof(R) > sizeof(float) ? 1.79e308 : 3.4e38);
  const bool a_is_infinite = a > most || a<-most, b_is_infinite = b> most || b < -most;
  return (a == R(0) && b_is_infinite) || (b == R(0) && a_is_infinite) ? R(0) : a * b;
}
/// d / v with a derivative d: 0 / 0 is 0.
template <class R>
COEFDYN_HD constexpr R derivative_over(R d, R v) {
  return d == R(0) && v == R(0) ? R(0) : d / v;
}

/// v + d epsilon with epsilon^2 = 0: the derivative of any policy function, in one pass.
///
/// Nests (dual<dual<R>>), so a dual number may itself be the scalar type of a whole form (forward mode).
template <class R>
struct dual {
  R v{};  // value
  R d{};  // derivative

  constexpr dual() = default;
  COEFDYN_HD constexpr dual(R value, R derivative = R{}) : v(value), d(derivative) {}
  template <class A>
    requires(std::is_arithmetic_v<A> && !std::is_same_v<A, R>)
  COEFDYN_HD constexpr dual(A value) : v(static_cast<R>(value)), d{} {}

  COEFDYN_HD friend constexpr dual operator+(dual a, dual b) { return {a.v + b.v, a.d + b.d}; }
  COEFDYN_HD friend constexpr dual operator-(dual a, dual b) { return {a.v - b.v, a.d - b.d}; }
  COEFDYN_HD friend constexpr dual operator-(dual a) { return {-a.v, -a.d}; }
  COEFDYN_HD friend constexpr dual operator*(dual a, dual b) { return {a.v * b.v, along(a.d, b.v) + along(a.v, b.d)}; }
  COEFDYN_HD friend constexpr dual operator/(dual a, dual b) {
    const R q = a.v / b.v;
    return {q, derivative_over(a.d - along(q, b.d), b.v)};
  }
  COEFDYN_HD constexpr dual& operator+=(dual b) { return *this = *this + b; }
  COEFDYN_HD constexpr dual& operator-=(dual b) { return *this = *this - b; }
  COEFDYN_HD constexpr dual& operator*=(dual b) { return *this = *this * b; }
  COEFDYN_HD friend constexpr bool operator<(dual a, dual b) { return a.v < b.v; }
  COEFDYN_HD friend constexpr bool operator>(dual a, dual b) { return a.v > b.v; }
  COEFDYN_HD friend constexpr bool operator<=(dual a, dual b) { return a.v <= b.v; }
  COEFDYN_HD friend constexpr bool operator>=(dual a, dual b) { return a.v >= b.v; }
  COEFDYN_HD friend constexpr bool operator==(dual a, dual b) { return a.v == b.v; }
};

template <class R>
COEFDYN_HD constexpr dual<R> along(dual<R> a, dual<R> b) {
  return {along(a.v, b.v), along(a.d, b.v) + along(a.v, b.d)};
}

template <class R>
constexpr bool is_dual = false;
template <class R>
constexpr bool is_dual<dual<R>> = true;

}  // namespace coefdyn
