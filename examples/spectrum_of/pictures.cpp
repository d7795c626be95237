// SPDX-License-Identifier: MIT
#include <cstdio>

#include "findings.hpp"

namespace spectrum_of {
namespace {

namespace pictures = coefdyn::pictures;
using member = spectrum::histogram spectrum::spectrum_histogram::*;

std::vector<double> mean_of(const findings& all, std::size_t head, member which, std::vector<double>* deviation = nullptr) {
  spectrum::histogram_over_sequences over;
  for (const auto& sequence : all.histograms) over.add(sequence[head].*which);
  if (deviation != nullptr) *deviation = over.deviation();
  return over.mean();
}

/// A stacked bar a head; with several sequences bars with deviations instead, for the heads that are shown.
pictures::figure histograms(const findings& all, member which, std::span<const double> edges, const std::string& quantity,
                            const std::string& unit) {
  const std::size_t heads = all.histograms.empty() ? 0 : all.histograms[0].size();
  if (all.histograms.size() > 1) {
    std::vector<spectrum::bar_panel> panels;
    for (std::size_t h = 0; h < std::min(heads, heads_shown); ++h) {
      spectrum::bar_panel p{"head " + std::to_string(h)};
      p.before = mean_of(all, h, which, &p.before_deviation);
      panels.push_back(std::move(p));
    }
    auto f = spectrum::histogram_figure(edges, panels, quantity, unit);
    f.note = "Mean and standard deviation over " + std::to_string(all.histograms.size()) + " sequences" +
             (panels.size() < heads ? "; the first " + std::to_string(panels.size()) + " of " + std::to_string(heads) + " heads." : ".");
    return f;
  }
  std::vector<pictures::stacked_row> rows;
  for (std::size_t h = 0; h < heads; ++h) rows.push_back({"head " + std::to_string(h), mean_of(all, h, which)});
  return spectrum::stack_figure(edges, rows, quantity, unit);
}

}  // namespace

void draw(const findings& all, const std::string& folder) {
  const auto write = [&](pictures::figure f, const char* stem, const std::string& title, const std::string& where) {
    f.title = title + ": " + all.mixer;
    f.settings = all.settings + where;
    const pictures::drawing d = pictures::draw(f, folder + "/" + stem);
    std::printf("  %s/%s.png, .svg, .pdf, .gp%s\n", folder.c_str(), stem, d.drawn ? "" : (" (not drawn: " + d.note + ")").c_str());
  };
  const std::size_t heads = all.histograms[0].size();
  const auto shown = [&](std::size_t count) {
    return ", sequence 0" + (count < heads ? ", heads 0 to " + std::to_string(count - 1) + " of " + std::to_string(heads) : "");
  };
  const std::string part = all.is_degree_one_part ? ", the degree-one part" : "";
  write(histograms(all, &spectrum::spectrum_histogram::radius, spectrum::radius_edges, "radius", ""), "radius", "Radius of eigenvalues",
        part);
  write(histograms(all, &spectrum::spectrum_histogram::phase, spectrum::phase_edges, "phase", "°"), "phase", "Phase of eigenvalues", part);
  write(spectrum::spectrum_figure(all.points), "eigenvalues", "Eigenvalues", shown(all.points.size()) + part);
  write(spectrum::coefficient_figure(all.alpha, all.alpha.size() > 1 ? 2 : 1), "alpha", "Coefficients",
        shown(all.alpha.size()) + (all.alpha[0].tokens < all.tokens ? ", tokens 0 to " + std::to_string(all.alpha[0].tokens - 1) : ""));
  write(spectrum::horizon_figure(all.horizons), "horizon", "Memory horizon", shown(all.horizons.size()));
}

}  // namespace spectrum_of
