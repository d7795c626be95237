// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "figure.hpp"
#include "palette.hpp"

/// Bars over categories: groups side by side with deviations, or one bar a row with its shares stacked.
namespace coefdyn::pictures {

/// Values of all categories under one name; no deviations, or one a value.
struct bar_group {
  std::string name, colour;
  std::vector<double> values, deviation;
  std::string deviation_colour = palette::ink;
};

/// Categories stand beside each other at the same width, whatever they mean; groups lie beside each other within one.
inline panel grouped_bars(const std::string& title, const std::vector<std::string>& categories, const std::vector<bar_group>& groups) {
  panel p;
  p.title = title;
  p.x.low = -0.5, p.x.high = static_cast<double>(categories.size()) - 0.5, p.y.low = 0;
  for (std::size_t c = 0; c < categories.size(); ++c) p.x.ticks.push_back({static_cast<double>(c), categories[c]});
  const double width = 0.76 / static_cast<double>(std::max<std::size_t>(1, groups.size()));
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const bar_group& group = groups[g];
    boxes filled{group.name, group.colour, {}};
    deviations caps{group.deviation_colour, {}, {}, {}};
    for (std::size_t c = 0; c < group.values.size() && c < categories.size(); ++c) {
      const double left = static_cast<double>(c) - 0.38 + static_cast<double>(g) * width;
      filled.at.push_back({left + 0.03 * width, left + 0.97 * width, 0, group.values[c]});
      if (c >= group.deviation.size() || !(group.deviation[c] > 0)) continue;
      caps.x.push_back(left + width / 2), caps.y.push_back(group.values[c]), caps.deviation.push_back(group.deviation[c]);
    }
    p.marks.emplace_back(filled);
    p.marks.emplace_back(caps);
  }
  return p;
}

/// A bar of a stacked chart.
struct stacked_row {
  std::string name;
  std::vector<double> shares;  // percentages, one a segment
};
/// A part that every bar has, with its colour.
struct segment {
  std::string name, colour;
};

/// One horizontal bar a row, the first on top; percentages from left to right in the order of the segments.
inline panel stacked_bars(const std::vector<stacked_row>& rows, const std::vector<segment>& segments) {
  panel p;
  const auto count = static_cast<double>(rows.size());
  p.height = std::fmax(0.8, 0.34 * count);
  p.x.low = 0, p.x.high = 100;
  p.y.low = count - 0.5, p.y.high = -0.5;
  p.grid_y = false;
  for (std::size_t r = 0; r < rows.size(); ++r) p.y.ticks.push_back({static_cast<double>(r), rows[r].name});
  for (std::size_t s = 0; s < segments.size(); ++s) {
    boxes filled{segments[s].name, segments[s].colour, {}};
    for (std::size_t r = 0; r < rows.size(); ++r) {
      double left = 0;
      for (std::size_t before = 0; before < s && before < rows[r].shares.size(); ++before) left += rows[r].shares[before];
      const double share = s < rows[r].shares.size() ? rows[r].shares[s] : 0;
      const auto y = static_cast<double>(r);
      if (share > 0) filled.at.push_back({left, left + share, y - 0.37, y + 0.37});
    }
    p.marks.emplace_back(filled);
  }
  return p;
}

}  // namespace coefdyn::pictures
