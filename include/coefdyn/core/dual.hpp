// SPDX-License-Identifier: MIT
#pragma once
#include <type_traits>

#include "config.hpp"

namespace coefdyn {

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
  COEFDYN_HD friend constexpr dual operator*(dual a, dual b) { return {a.v * b.v, a.d * b.v + a.v * b.d}; }
  COEFDYN_HD friend constexpr dual operator/(dual a, dual b) {
    const R q = a.v / b.v;
    return {q, (a.d - q * b.d) / b.v};
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
constexpr bool is_dual = false;
template <class R>
constexpr bool is_dual<dual<R>> = true;

}  // namespace coefdyn
