// SPDX-License-Identifier: MIT
#pragma once
#include <cstdlib>

namespace coefdyn::laws {

/// The sanitizers' run takes a smaller grid.
inline bool reduced() { return std::getenv("COEFDYN_REDUCED") != nullptr; }

}  // namespace coefdyn::laws
