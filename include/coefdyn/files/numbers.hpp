// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <bit>
#include <complex>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "../core/complex.hpp"
#include "../core/low_precision.hpp"

/// The number types that files hold, and their way to the types of a program.
///
/// A number is converted where NumPy's casting="same_kind" allows it: boolean to whole to real to complex, never back. Real numbers
/// round to nearest (a double to bf16 or half at once, not through float; whole numbers to those through double); a whole number that
/// does not fit into a whole type is an error.
namespace coefdyn::files {

static_assert(std::endian::native == std::endian::little,
              "coefdyn: files of numbers are little-endian, as their readers and writers take the host to be.");

/// Types under the names of .safetensors, in that format's order; c128 is of .npy alone.
enum class number_type {
  boolean,
  f4,
  f6_e2m3,
  f6_e3m2,
  u8,
  i8,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  i16,
  u16,
  f16,
  bf16,
  i32,
  u32,
  f32,
  c64,
  f64,
  i64,
  u64,
  c128
};

/// The names of a number type in the formats, and its bits.
struct number_type_entry {
  std::string_view safetensors, npy;  // empty: the format has no such type
  int bits;
};
/// All number types, in the order of `number_type`.
inline constexpr number_type_entry number_types[] = {
    {"BOOL", "b1", 8},  {"F4", "", 4},      {"F6_E2M3", "", 6}, {"F6_E3M2", "", 6},     {"U8", "u1", 8},        {"I8", "i1", 8},
    {"F8_E5M2", "", 8}, {"F8_E4M3", "", 8}, {"F8_E8M0", "", 8}, {"F8_E4M3FNUZ", "", 8}, {"F8_E5M2FNUZ", "", 8}, {"I16", "i2", 16},
    {"U16", "u2", 16},  {"F16", "f2", 16},  {"BF16", "", 16},   {"I32", "i4", 32},      {"U32", "u4", 32},      {"F32", "f4", 32},
    {"C64", "c8", 64},  {"F64", "f8", 64},  {"I64", "i8", 64},  {"U64", "u8", 64},      {"", "c16", 128}};
/// The entry of one number type.
constexpr const number_type_entry& entry_of(number_type t) { return number_types[static_cast<std::size_t>(t)]; }

namespace detail {
template <class T>
struct complex_part {
  using type = T;
  static constexpr bool is_complex = false;
};
template <class R>
struct complex_part<coefdyn::complex<R>> {
  using type = R;
  static constexpr bool is_complex = true;
};
template <class R>
struct complex_part<std::complex<R>> : complex_part<coefdyn::complex<R>> {};

// Types that only files hold.
struct boolean_byte {
  std::uint8_t bits;
};
struct float8_e5m2 {  // the upper half of binary16
  std::uint8_t bits;
  operator float() const {
    half h;
    h.bits = static_cast<std::uint16_t>(bits << 8);
    return h;
  }
};
struct float8_e4m3 {  // no infinities; NaN is all ones
  std::uint8_t bits;
  operator float() const {
    const std::uint32_t sign = std::uint32_t(bits & 0x80u) << 24, magnitude = bits & 0x7fu;
    if (magnitude == 0x7f) return std::bit_cast<float>(sign | 0x7fc00000u);
    const float scaled = std::bit_cast<float>(magnitude << 20) * 0x1p120f;  // moves the exponent's bias, subnormals too
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(scaled) | sign);
  }
};
struct float8_e8m0 {  // a power of two
  std::uint8_t bits;
  operator float() const { return std::bit_cast<float>(bits == 0xff ? 0x7fc00000u : bits == 0 ? 0x00400000u : std::uint32_t(bits) << 23); }
};

/// Calls f.operator()<E>() with the type of C++ that holds a number of type t; false where there is none.
template <class F>
bool with_stored_type(number_type t, F f) {
  switch (t) {
    case number_type::boolean:
      return f.template operator()<boolean_byte>(), true;
    case number_type::u8:
      return f.template operator()<std::uint8_t>(), true;
    case number_type::i8:
      return f.template operator()<std::int8_t>(), true;
    case number_type::f8_e5m2:
      return f.template operator()<float8_e5m2>(), true;
    case number_type::f8_e4m3:
      return f.template operator()<float8_e4m3>(), true;
    case number_type::f8_e8m0:
      return f.template operator()<float8_e8m0>(), true;
    case number_type::i16:
      return f.template operator()<std::int16_t>(), true;
    case number_type::u16:
      return f.template operator()<std::uint16_t>(), true;
    case number_type::f16:
      return f.template operator()<half>(), true;
    case number_type::bf16:
      return f.template operator()<bf16>(), true;
    case number_type::i32:
      return f.template operator()<std::int32_t>(), true;
    case number_type::u32:
      return f.template operator()<std::uint32_t>(), true;
    case number_type::f32:
      return f.template operator()<float>(), true;
    case number_type::c64:
      return f.template operator()<std::complex<float>>(), true;
    case number_type::f64:
      return f.template operator()<double>(), true;
    case number_type::i64:
      return f.template operator()<std::int64_t>(), true;
    case number_type::u64:
      return f.template operator()<std::uint64_t>(), true;
    case number_type::c128:
      return f.template operator()<std::complex<double>>(), true;
    default:
      return false;  // F4 and F6, several in a byte, and the FNUZ variants
  }
}

/// boolean < whole < real < complex
template <class T>
constexpr int kind_of() {
  if constexpr (std::is_same_v<T, boolean_byte> || std::is_same_v<T, bool>) return 0;
  else if constexpr (std::integral<T>) return 1;
  else return complex_part<T>::is_complex ? 3 : 2;
}

/// A double to bf16 or half in one rounding: through the float that is odd where digits are lost.
inline float odd_float(double x) {
  const float f = static_cast<float>(x);
  auto bits = std::bit_cast<std::uint32_t>(f);
  if ((bits & 0x7f800000u) == 0x7f800000u || static_cast<double>(f) == x) return f;
  if ((static_cast<double>(f) > x) == (x > 0)) --bits;  // towards zero
  return std::bit_cast<float>(bits | 1u);
}

template <class R, class E>
R real_cast(E x) {
  if constexpr (std::is_same_v<E, boolean_byte>) return static_cast<R>(x.bits != 0);
  else if constexpr (std::is_same_v<R, E>) return x;
  else if constexpr (std::is_same_v<R, bf16> || std::is_same_v<R, half>) {
    if constexpr (std::is_same_v<E, double> || std::integral<E>) return R(odd_float(static_cast<double>(x)));
    else return R(static_cast<float>(x));
  } else if constexpr (std::integral<E> || std::is_same_v<E, double>) return static_cast<R>(x);
  else return static_cast<R>(static_cast<float>(x));
}

template <class E>
E stored(const std::byte* at, bool swapped) {
  constexpr std::size_t part = sizeof(typename complex_part<E>::type);
  std::byte raw[sizeof(E)];
  std::memcpy(raw, at, sizeof(E));
  if (swapped)
    for (std::size_t p = 0; p < sizeof(E); p += part) std::reverse(raw + p, raw + p + part);
  E x;
  std::memcpy(&x, raw, sizeof(E));
  return x;
}

template <class R, class E>
R converted(const E& x) {
  if constexpr (!complex_part<R>::is_complex) return real_cast<R>(x);
  else {
    using P = typename complex_part<R>::type;
    if constexpr (complex_part<E>::is_complex) return R(real_cast<P>(x.real()), real_cast<P>(x.imag()));
    else return R(real_cast<P>(x), P());
  }
}
}  // namespace detail

/// The type in files of a type of C++: bool, whole numbers, half, bf16, float, double, complex of float or double.
template <class T>
constexpr number_type number_type_of() {
  using P = typename detail::complex_part<T>::type;
  if constexpr (detail::complex_part<T>::is_complex) {
    static_assert(std::is_same_v<P, float> || std::is_same_v<P, double>, "coefdyn: files hold complex numbers of float or double.");
    return std::is_same_v<P, float> ? number_type::c64 : number_type::c128;
  } else if constexpr (std::is_same_v<T, bool>) return number_type::boolean;
  else if constexpr (std::integral<T>) {
    constexpr number_type whole[2][4] = {{number_type::u8, number_type::u16, number_type::u32, number_type::u64},
                                         {number_type::i8, number_type::i16, number_type::i32, number_type::i64}};
    return whole[std::signed_integral<T>][std::countr_zero(sizeof(T))];
  } else if constexpr (std::is_same_v<T, half>) return number_type::f16;
  else if constexpr (std::is_same_v<T, bf16>) return number_type::bf16;
  else if constexpr (std::is_same_v<T, float>) return number_type::f32;
  else {
    static_assert(std::is_same_v<T, double>, "coefdyn: files hold bool, whole numbers, half, bf16, float, double and complex numbers.");
    return number_type::f64;
  }
}

/// How a conversion of numbers ended.
enum class conversion { done, no_such, does_not_fit };

namespace detail {
/// The i-th number is the i-th in memory.
struct in_order {
  std::size_t operator()(std::size_t i) const { return i; }
};

/// `count` numbers of type E as R; the index of the first that does not fit, or `count`.
template <bool Swapped, class E, class R, class At>
std::size_t convert_all(const std::byte* bytes, R* out, std::size_t count, At at) {
  for (std::size_t i = 0; i < count; ++i) {
    const E x = stored<E>(bytes + at(i) * sizeof(E), Swapped);
    if constexpr (std::integral<E> && std::integral<R>)
      if (!std::in_range<R>(x)) return i;
    out[i] = converted<R>(x);
  }
  return count;
}
}  // namespace detail

/// Numbers of type t in memory as `count` numbers of type R; `swapped` if they are big-endian, `at(i)` the i-th's place among them.
/// Returns why not, and for does_not_fit the index in `which`.
template <class R, class At>
conversion convert(number_type t, std::span<const std::byte> bytes, bool swapped, R* out, std::size_t count, At at, std::size_t& which) {
  static_assert(!std::is_same_v<R, bool>, "coefdyn: booleans are read as std::uint8_t or any other number.");
  conversion result = conversion::no_such;
  detail::with_stored_type(t, [&]<class E>() {
    if constexpr (detail::kind_of<E>() <= detail::kind_of<R>()) {
      which = count;
      if (swapped) which = detail::convert_all<true, E>(bytes.data(), out, count, at);
      else if constexpr (std::is_same_v<E, R> && std::is_same_v<At, detail::in_order>)
        std::copy_n(bytes.data(), count * sizeof(E), reinterpret_cast<std::byte*>(out));
      else which = detail::convert_all<false, E>(bytes.data(), out, count, at);
      result = which == count ? conversion::done : conversion::does_not_fit;
    }
  });
  return result;
}

}  // namespace coefdyn::files
