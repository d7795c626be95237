// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../../pictures/figure.hpp"
#include "../../pictures/number.hpp"
#include "../../pictures/palette.hpp"
#include "quantile.hpp"

/// Memory horizons along a sequence.
namespace coefdyn::spectrum {

using pictures::figure;

/// Horizon of each token of one head; infinity for never.
struct horizon_line {
  std::string title;
  std::vector<double> steps;
};

namespace detail {

/// One head. The last token, which has no step after it, is left out.
inline pictures::panel horizon_panel(const horizon_line& line, std::size_t block) {
  using pictures::curve;
  namespace colour = pictures::palette;
  const std::string tokens = std::to_string(block) + " tokens";
  const double last = std::fmax(1.0, static_cast<double>(line.steps.size()) - 1);
  curve left{.name = "end of the sequence", .colour = colour::faint_ink, .style = curve::stroke::dashed, .thickness = 0.7};
  curve reached{.name = block > 1 ? "median of " + tokens : "steps", .colour = colour::line(0)};
  curve open{.name = "not reached", .colour = colour::line(1), .style = curve::stroke::dots};
  pictures::band most{block > 1 ? "10 to 90 % of " + tokens : "", "#b5d3ea", {}, {}, {}};
  for (std::size_t t = 0; t + 1 < line.steps.size(); t += block) {
    const std::size_t end = std::min(line.steps.size() - 1, t + block);
    const std::vector<double> some(line.steps.begin() + static_cast<std::ptrdiff_t>(t),
                                   line.steps.begin() + static_cast<std::ptrdiff_t>(end));
    const double x = static_cast<double>(t + end - 1) / 2, steps_left = last - x, median = quantile(some, 0.5);
    left.x.push_back(x), left.y.push_back(steps_left);
    reached.x.push_back(x), reached.y.push_back(median);
    most.x.push_back(x);
    most.low.push_back(std::fmin(steps_left, quantile(some, 0.1))), most.high.push_back(std::fmin(steps_left, quantile(some, 0.9)));
    if (pictures::is_infinite(median)) open.x.push_back(x), open.y.push_back(steps_left);
  }
  pictures::panel p;
  p.title = line.title;
  p.x = {"token", 0, last}, p.y = {"steps", 0.8, 1.5 * last, true};
  if (block > 1) p.marks.emplace_back(std::move(most));
  p.marks.emplace_back(std::move(left)), p.marks.emplace_back(std::move(reached)), p.marks.emplace_back(std::move(open));
  return p;
}

}  // namespace detail

/// Horizon against the token, a panel a head. Above 256 tokens a point is the median of a block, within its 10th and 90th
/// percentiles. Where that is not reached within the sequence, points lie on the line of the steps that are left.
inline figure horizon_figure(std::span<const horizon_line> lines) {
  std::size_t longest = 0;
  for (const horizon_line& line : lines) longest = std::max(longest, line.steps.size());
  figure f;
  f.share_x = std::all_of(lines.begin(), lines.end(), [&](const horizon_line& line) { return line.steps.size() == longest; });
  for (const horizon_line& line : lines) {
    f.panels.push_back(detail::horizon_panel(line, std::max<std::size_t>(1, (longest + 255) / 256)));
    f.panels.back().height = lines.size() == 1 ? 4 : 1.7;
  }
  f.note = "Steps until the spectral norm of the product of Λ is below 1/e.";
  return f;
}

}  // namespace coefdyn::spectrum
