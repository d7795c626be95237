// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "../../pictures/number.hpp"

namespace coefdyn::spectrum::detail {

/// The value in the place of that share of the sorted ones, infinities included; NaN of none.
inline double quantile(std::vector<double> values, double share) {
  std::erase_if(values, [](double x) { return pictures::is_nan(x); });
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

}  // namespace coefdyn::spectrum::detail
