// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "figure.hpp"
#include "number.hpp"
#include "palette.hpp"

/// Values on a line, one strip a row: the colour is the share of the row's values in a bin, and all bins are equally wide.
namespace coefdyn::pictures {

/// One row: its name and its values.
struct strip {
  std::string name;
  std::vector<double> values;
};

/// Colours of shares in percent; what is below `low` takes its colour, none is paper.
inline colour_scale scale_of_shares(const std::string& label, double low = 0.01) {
  return {label, low, 100, {palette::share.begin(), palette::share.end()}};
}

/// range   low below high; values outside are in no bin
inline panel strips(const std::vector<strip>& rows, double low, double high, std::size_t bins = 200) {
  panel p;
  const auto count = static_cast<double>(rows.size());
  p.height = std::fmax(0.7, 0.34 * count);
  p.x.low = low, p.x.high = high;
  p.y.low = count - 0.5, p.y.high = -0.5;
  p.grid_x = true, p.grid_y = false;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const auto y = static_cast<double>(r);
    p.y.ticks.push_back({y, rows[r].name});
    std::vector<double> shares(bins, 0);
    const double one = 100 / static_cast<double>(std::max<std::size_t>(1, rows[r].values.size()));
    for (const double x : rows[r].values) {
      if (is_finite(x) && x >= low && x <= high)
        shares[std::min(bins - 1, static_cast<std::size_t>((x - low) / (high - low) * static_cast<double>(bins)))] += one;
    }
    p.marks.emplace_back(raster{1, bins, {low, high, y - 0.4, y + 0.4}, shares, ""});
  }
  return p;
}

}  // namespace coefdyn::pictures
