// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/spectrum/histogram.hpp>
#include <coefdyn/spectrum/pictures.hpp>
#include <string>
#include <vector>

/// What an analysis has found, without the mixer's type, and its pictures.
namespace spectrum_of {

namespace spectrum = coefdyn::spectrum;

/// Heads that pictures with a panel a head show.
constexpr std::size_t heads_shown = 6;

struct findings {
  std::string mixer, settings;  // of every picture
  std::size_t tokens = 0;
  bool is_degree_one_part = false;
  std::vector<std::vector<spectrum::spectrum_histogram>> histograms;  // [sequence][head]
  std::vector<spectrum::point_set> points;                            // of sequence 0, each head shown
  std::vector<spectrum::coefficient_map> alpha;
  std::vector<spectrum::horizon_line> horizons;
};

/// Writes all pictures into the folder, and says which.
void draw(const findings& all, const std::string& folder);

}  // namespace spectrum_of
