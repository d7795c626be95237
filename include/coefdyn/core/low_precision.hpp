// SPDX-License-Identifier: MIT
#pragma once
#include "config.hpp"

namespace coefdyn {

/// bfloat16 as a storage type: 1 sign, 8 exponent, 7 mantissa bits; arithmetic happens in float.
/// Rounds to nearest even; a NaN stays a NaN. Same bits as CUDA's __nv_bfloat16.
struct bf16 {
  std::uint16_t bits = 0;

  constexpr bf16() = default;
  COEFDYN_HD constexpr explicit bf16(float x) {
    const auto u = __builtin_bit_cast(std::uint32_t, x);
    const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
    bits = static_cast<std::uint16_t>(nan ? (u >> 16) | 0x40u : (u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  COEFDYN_HD constexpr operator float() const { return __builtin_bit_cast(float, std::uint32_t(bits) << 16); }
};

/// IEEE binary16 as a storage type: 1 sign, 5 exponent, 10 mantissa bits; arithmetic happens in float.
/// Rounds to nearest even, overflows to infinity above 65504. Same bits as CUDA's __half.
struct half {
  std::uint16_t bits = 0;

  constexpr half() = default;
  COEFDYN_HD constexpr explicit half(float x) {
    const auto u = __builtin_bit_cast(std::uint32_t, x);
    const std::uint32_t sign = (u >> 16) & 0x8000u, magnitude = u & 0x7fffffffu;
    std::uint32_t h;
    if (magnitude > 0x7f800000u) {
      h = 0x7e00u;
    } else if (magnitude >= 0x47800000u) {
      h = 0x7c00u;
    } else if (magnitude < 0x38800000u) {  // subnormal: let the float adder round
      h = __builtin_bit_cast(std::uint32_t, __builtin_bit_cast(float, magnitude) + 0.5f) - 0x3f000000u;
    } else {
      h = (magnitude + 0xc8000fffu + ((magnitude >> 13) & 1u)) >> 13;
    }
    bits = static_cast<std::uint16_t>(sign | h);
  }
  COEFDYN_HD constexpr operator float() const {
    const std::uint32_t sign = std::uint32_t(bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
    if (magnitude >= 0x7c00u) return __builtin_bit_cast(float, sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
    const float scaled = __builtin_bit_cast(float, magnitude << 13) * 0x1p112f;  // moves the exponent's bias, subnormals too
    return __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, scaled) | sign);
  }
};

}  // namespace coefdyn
