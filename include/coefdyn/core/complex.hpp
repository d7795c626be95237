// SPDX-License-Identifier: MIT
#pragma once
#include "config.hpp"

namespace coefdyn {

/// re + i im over any real type (std::complex of a dual number is unspecified); same layout as std::complex.
template <class R>
struct complex {
  R re{};
  R im{};

  constexpr complex() = default;
  COEFDYN_HD constexpr complex(R real_part, R imaginary_part = R{}) : re(real_part), im(imaginary_part) {}

  COEFDYN_HD friend constexpr complex operator+(complex a, complex b) { return {a.re + b.re, a.im + b.im}; }
  COEFDYN_HD friend constexpr complex operator-(complex a, complex b) { return {a.re - b.re, a.im - b.im}; }
  COEFDYN_HD friend constexpr complex operator-(complex a) { return {-a.re, -a.im}; }
  COEFDYN_HD friend constexpr complex operator*(complex a, complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
  COEFDYN_HD friend constexpr complex operator*(R a, complex b) { return {a * b.re, a * b.im}; }
  COEFDYN_HD friend constexpr complex operator*(complex a, R b) { return {a.re * b, a.im * b}; }
  COEFDYN_HD constexpr complex& operator+=(complex b) { return *this = *this + b; }
  COEFDYN_HD constexpr complex& operator-=(complex b) { return *this = *this - b; }
};

/// Whether R is a complex<..>.
template <class R>
constexpr bool is_complex = false;
template <class R>
constexpr bool is_complex<complex<R>> = true;

/// The conjugate of a.
template <class R>
COEFDYN_HD constexpr complex<R> conj(complex<R> a) {
  return {a.re, -a.im};
}
/// Re(a) of a real number: itself.
template <class R>
COEFDYN_HD constexpr R real_part(R a) {
  return a;
}
/// Re(a).
template <class R>
COEFDYN_HD constexpr R real_part(complex<R> a) {
  return a.re;
}

}  // namespace coefdyn
