// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>

#include "../core/config.hpp"

/// Kinds of numbers by their bits, so that the answers hold under -ffast-math too.
namespace coefdyn::pictures {

namespace detail {
inline std::uint64_t magnitude_bits(double x) { return std::bit_cast<std::uint64_t>(x) & 0x7fffffffffffffffu; }
inline constexpr std::uint64_t infinity_bits = 0x7ff0000000000000u;
}  // namespace detail

/// Neither infinite nor NaN, told by its bits.
inline bool is_finite(double x) { return detail::magnitude_bits(x) < detail::infinity_bits; }
/// inf or -inf, told by its bits.
inline bool is_infinite(double x) { return detail::magnitude_bits(x) == detail::infinity_bits; }
/// NaN, told by its bits.
inline bool is_nan(double x) { return detail::magnitude_bits(x) > detail::infinity_bits; }

}  // namespace coefdyn::pictures
