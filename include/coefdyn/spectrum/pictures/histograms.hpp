// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "../../pictures/bars.hpp"
#include "../../pictures/number.hpp"
#include "../../pictures/text.hpp"

/// Histograms of eigenvalues. Their bins are categories: drawn equally wide, with a gap and their limits as words, since those of a
/// radius and of a phase are not equally wide.
namespace coefdyn::spectrum {

using pictures::figure;

/// Percentages of one panel: before training, and after it unless empty; deviations may be empty.
struct bar_panel {
  std::string title;
  std::vector<double> before{}, before_deviation{}, after{}, after_deviation{};
};

/// A bin as words: "0.1–0.5", "> 100". What lies on a limit counts below it, in a partition's bins.
inline std::string bin_name(std::span<const double> edges, std::size_t bin, const std::string& unit = "") {
  using pictures::number_text;
  if (pictures::is_infinite(edges[bin + 1])) return "> " + number_text(edges[bin]) + unit;
  if (pictures::is_infinite(edges[bin])) return "≤ " + number_text(edges[bin + 1]) + unit;
  return number_text(edges[bin]) + "–" + number_text(edges[bin + 1]) + unit;
}

/// The names of all bins between these edges.
inline std::vector<std::string> bin_names(std::span<const double> edges, const std::string& unit = "") {
  std::vector<std::string> names;
  for (std::size_t bin = 0; bin + 1 < edges.size(); ++bin) names.push_back(bin_name(edges, bin, unit));
  return names;
}

/// Histograms side by side: light before training, dark after it, with deviations; a panel for each layer or head.
///
/// shape   edges: bins + 1; each panel's vectors: bins, or empty
inline figure histogram_figure(std::span<const double> edges, std::span<const bar_panel> panels, const std::string& quantity,
                               const std::string& unit = "") {
  namespace colour = pictures::palette;
  figure f;
  f.across = panels.size() > 1 ? 2 : 1;
  f.share_x = f.share_y = true;
  double top = 100;
  for (const bar_panel& b : panels) {
    const bool both = !b.after.empty();
    std::vector<pictures::bar_group> groups{
        {both ? "before training" : "", colour::before, b.before, b.before_deviation, colour::before_deviation}};
    if (both) groups.push_back({"after training", colour::after, b.after, b.after_deviation, colour::after_deviation});
    f.panels.push_back(pictures::grouped_bars(b.title, bin_names(edges, unit), groups));
    for (const pictures::bar_group& group : groups)
      for (std::size_t i = 0; i < group.deviation.size() && i < group.values.size(); ++i)
        top = std::fmax(top, group.values[i] + group.deviation[i]);
  }
  for (pictures::panel& p : f.panels) {
    p.x.label = quantity, p.y.label = "eigenvalues (%)";
    p.y.high = top + 4, p.y.ticks = {{0, "0"}, {25, ""}, {50, "50"}, {75, ""}, {100, "100"}};
    p.height = f.across == 1 ? 4 : 2.4;
  }
  return f;
}

/// Histograms as one stacked bar each, the first on top. Bins of a radius up to 1 are blue, those above orange.
///
/// shape   edges: bins + 1; shares: bins
inline figure stack_figure(std::span<const double> edges, const std::vector<pictures::stacked_row>& rows, const std::string& quantity,
                           const std::string& unit = "") {
  namespace colour = pictures::palette;
  const bool radius = edges.size() == colour::radius.size() + 1;
  std::vector<pictures::segment> segments;
  for (std::size_t bin = 0; bin + 1 < edges.size(); ++bin)
    segments.push_back({bin_name(edges, bin, unit), radius ? colour::radius[bin] : colour::ordered[bin % colour::ordered.size()]});
  figure f;
  f.panels.push_back(pictures::stacked_bars(rows, segments));
  f.panels[0].x.label = "% of eigenvalues, by " + quantity;
  return f;
}

}  // namespace coefdyn::spectrum
