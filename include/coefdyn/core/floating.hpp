// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <type_traits>

#include "config.hpp"
#include "dual.hpp"

/// What has to hold under -ffast-math, -Ofast, -fassociative-math and their like too: sums that are made in the order written, and
/// infinities and NaN, told by their bits. Under other flags all of it costs nothing.
///
/// clang is told by a pragma at the head of a function, since it has no macro for some of these flags; g++, which takes such flags by the
/// function, by a value that it cannot see through.
#if defined(__clang__) && !defined(__CUDACC__)
#define COEFDYN_SUMS_IN_ORDER _Pragma("clang fp reassociate(off)")
#else
#define COEFDYN_SUMS_IN_ORDER
#endif
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDA_ARCH__) && (defined(__ASSOCIATIVE_MATH__) || defined(__FAST_MATH__))
#define COEFDYN_REORDERS_SUMS
#endif
#if defined(__GNUC__) && !defined(__CUDA_ARCH__) && defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#define COEFDYN_DENIES_NAN
#endif

namespace coefdyn::math {

namespace detail {
template <class R>
using bits_of = std::conditional_t<sizeof(R) == 4, std::uint32_t, std::uint64_t>;
template <class R>
inline constexpr bits_of<R> infinity_bits = sizeof(R) == 4 ? bits_of<R>(0x7f800000u) : bits_of<R>(0x7ff0000000000000u);

#if defined(COEFDYN_REORDERS_SUMS)
/// 0, which the compiler does not know: made when the program starts.
inline const std::uint64_t unknown_zero = [] {
  std::uint64_t zero = 0;
  asm("" : "+r"(zero));
  return zero;
}();
#endif
/// Bits whose origin the compiler forgets where it would otherwise conclude from it that no number is infinite or NaN.
template <class B>
COEFDYN_HD constexpr B forgotten(B bits) {
#if defined(COEFDYN_DENIES_NAN)
  if (!std::is_constant_evaluated()) asm("" : "+r"(bits));
#endif
  return bits;
}
template <class R>
COEFDYN_HD constexpr bits_of<R> size_bits(R x) {  // those of |x|
  return forgotten(__builtin_bit_cast(bits_of<R>, x)) & static_cast<bits_of<R>>(~bits_of<R>(0) >> 1);
}
}  // namespace detail

/// x, a sum or product made before anything is added to it or multiplied with. The other half is COEFDYN_SUMS_IN_ORDER at the head of the
/// function.
template <class R>
[[gnu::always_inline]] COEFDYN_HD inline R in_order(R x) {
#if defined(COEFDYN_REORDERS_SUMS)
  if constexpr (is_dual<R>) return {in_order(x.v), in_order(x.d)};
  else return __builtin_bit_cast(R, __builtin_bit_cast(detail::bits_of<R>, x) ^ static_cast<detail::bits_of<R>>(detail::unknown_zero));
#else
  return x;
#endif
}

/// Whether x is NaN, told by its bits; a dual number by its value.
template <class R>
COEFDYN_HD constexpr bool is_nan(R x) {
  if constexpr (is_dual<R>) return is_nan(x.v);
  else return detail::size_bits(x) > detail::infinity_bits<R>;
}
/// Whether x is inf or -inf, told by its bits; a dual number by its value.
template <class R>
COEFDYN_HD constexpr bool is_infinite(R x) {
  if constexpr (is_dual<R>) return is_infinite(x.v);
  else return detail::size_bits(x) == detail::infinity_bits<R>;
}
/// Neither infinite nor NaN; a dual number by its value.
template <class R>
COEFDYN_HD constexpr bool is_finite(R x) {
  if constexpr (is_dual<R>) return is_finite(x.v);
  else return detail::size_bits(x) < detail::infinity_bits<R>;
}
/// inf, which -ffast-math does not assume away.
template <class R>
COEFDYN_HD constexpr R infinity() {
  if constexpr (is_dual<R>) return R(infinity<decltype(R{}.v)>());
  else return __builtin_bit_cast(R, detail::forgotten(detail::infinity_bits<R>));
}
/// -inf, likewise.
template <class R>
COEFDYN_HD constexpr R minus_infinity() {
  if constexpr (is_dual<R>) return R(minus_infinity<decltype(R{}.v)>());
  else
    return __builtin_bit_cast(
        R, detail::forgotten(static_cast<detail::bits_of<R>>(detail::infinity_bits<R> | ~(~detail::bits_of<R>(0) >> 1))));
}
/// A quiet NaN.
template <class R>
COEFDYN_HD constexpr R not_a_number() {
  constexpr detail::bits_of<R> quiet = sizeof(R) == 4 ? detail::bits_of<R>(0x7fc00000u) : detail::bits_of<R>(0x7ff8000000000000u);
  return __builtin_bit_cast(R, detail::forgotten(quiet));
}

}  // namespace coefdyn::math
