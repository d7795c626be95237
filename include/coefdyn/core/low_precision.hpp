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
    const float subnormal = static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24f;  // no subnormal float on the way
    const std::uint32_t moved = (magnitude << 13) + (magnitude < 0x7c00u ? 0x38000000u : 0x70000000u);
    return __builtin_bit_cast(float, (magnitude < 0x400u ? __builtin_bit_cast(std::uint32_t, subnormal) : moved) | sign);
  }
};

}  // namespace coefdyn
