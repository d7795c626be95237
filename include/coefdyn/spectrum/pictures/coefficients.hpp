// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../../pictures/figure.hpp"
#include "../../pictures/number.hpp"
#include "../../pictures/palette.hpp"

/// Maps of coefficients.
namespace coefdyn::spectrum {

using pictures::figure;

/// alpha_ij of the first tokens, T x T row-major; what lies above the diagonal is not read.
struct coefficient_map {
  std::string title;
  std::vector<double> alpha;
  std::size_t tokens;
};

namespace detail {

/// Magnitudes of at most `cells` rows: a cell has the largest of its block, and what is not finite before all.
inline pictures::raster magnitudes(const coefficient_map& map, std::size_t cells) {
  const std::size_t T = map.tokens;
  if (map.alpha.size() != T * T)
    COEFDYN_THROW std::invalid_argument("coefficient_figure: alpha should have T * T = " + std::to_string(T * T) + " entries, but has " +
                                        std::to_string(map.alpha.size()) + ".");
  const std::size_t block = std::max<std::size_t>(1, (T + cells - 1) / cells), n = (T + block - 1) / block;
  const double end = static_cast<double>(n * block) - 0.5;
  pictures::raster grid{n, n, {-0.5, end, -0.5, end}, std::vector<double>(n * n, pictures::raster::nothing), pictures::palette::zero};
  for (std::size_t i = 0; i < T; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double& cell = grid.values[i / block * n + j / block];
      const double a = std::abs(map.alpha[i * T + j]);
      if (!pictures::is_finite(a) || cell == pictures::raster::no_number) cell = pictures::raster::no_number;
      else if (pictures::is_nan(cell) || a > cell) cell = a;  // nothing yet, or smaller
    }
  return grid;
}

}  // namespace detail

/// Maps of |alpha_ij|, j <= i, on one logarithmic scale for all of them: from `smallest`, which stands for smaller ones too, to
/// the power of ten above the largest. 0 has a colour of its own, and so has what is not finite. Above `cells` tokens a cell
/// shows the largest of a block.
///
/// error   std::invalid_argument for a map that is not T x T
inline figure coefficient_figure(std::span<const coefficient_map> maps, std::size_t across = 1, std::size_t cells = 256,
                                 double smallest = 1e-6) {
  figure f;
  f.across = std::min(across, std::max<std::size_t>(1, maps.size()));
  f.share_x = f.share_y =
      std::all_of(maps.begin(), maps.end(), [&](const coefficient_map& map) { return map.tokens == maps.front().tokens; });
  const bool narrow = f.across > 2;
  double largest = 10 * smallest;
  bool zeros = false, no_numbers = false, blocks = false;
  for (const coefficient_map& map : maps) {
    blocks = blocks || map.tokens > cells;
    pictures::raster grid = detail::magnitudes(map, cells);
    for (const double a : grid.values) {
      if (pictures::is_nan(a)) continue;
      zeros = zeros || a == 0, no_numbers = no_numbers || a == pictures::raster::no_number;
      if (a > 0) largest = std::fmax(largest, a);
    }
    pictures::panel p;
    p.title = map.title;
    p.square = true, p.grid_y = false;
    const double last = static_cast<double>(map.tokens) - 0.5;
    p.x = {narrow ? "" : "written at token j", -0.5, last}, p.y = {narrow ? "" : "read at token i", last, -0.5};
    p.marks.emplace_back(std::move(grid));
    if (!narrow && map.tokens > 16) p.remarks.push_back({0.68, 0.8, "j > i: not causal"});
    f.panels.push_back(std::move(p));
  }
  const double high = std::pow(10.0, std::ceil(std::log10(largest) - 1e-9));
  f.scale = pictures::colour_scale{"|α|", smallest, high, {pictures::palette::magnitude.begin(), pictures::palette::magnitude.end()}};
  if (zeros) f.legend.push_back({"exactly 0", pictures::palette::zero});
  if (no_numbers) f.legend.push_back({"not finite", pictures::palette::no_number});
  if (narrow) f.note = "Down: read at token i; across: written at token j. White, j > i: not causal.";
  if (blocks) f.note += (f.note.empty() ? "" : " ") + std::string("A cell shows the largest of its block of tokens.");
  return f;
}

}  // namespace coefdyn::spectrum
