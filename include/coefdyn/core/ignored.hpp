// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>

namespace coefdyn {

/// The target of a position that does not count, in losses and in scores.
inline constexpr std::int64_t ignored = -100;

}  // namespace coefdyn
