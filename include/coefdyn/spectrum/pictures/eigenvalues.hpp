// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <numbers>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../../pictures/number.hpp"
#include "../../pictures/strips.hpp"
#include "../../pictures/text.hpp"
#include "quantile.hpp"

/// Eigenvalues where they lie: on a line if they are real, else in the plane.
namespace coefdyn::spectrum {

using pictures::figure;

/// Eigenvalues of one panel.
struct point_set {
  std::string title;
  std::vector<std::complex<double>> points;
};

/// All imaginary parts are rounding.
inline bool is_real(const point_set& set) {
  return std::all_of(set.points.begin(), set.points.end(),
                     [](const std::complex<double>& x) { return std::abs(x.imag()) <= 1e-9 * std::fmax(1.0, std::abs(x)); });
}

/// Real eigenvalues: a strip a set, in equal bins, up to `reach` in either direction; the shares beyond are said.
inline figure real_spectrum_figure(std::span<const point_set> sets, double reach = 2) {
  static constexpr std::size_t bins = 200;
  double low = 0, high = 1;
  for (const point_set& set : sets)
    for (const auto& x : set.points)
      if (pictures::is_finite(x.real()))
        low = std::fmin(low, std::fmax(x.real(), -reach)), high = std::fmax(high, std::fmin(x.real(), reach));
  const double margin = 0.03 * (high - low);
  low -= margin, high += margin;
  std::vector<pictures::strip> rows;
  std::string beyond;
  for (const point_set& set : sets) {
    rows.push_back({set.title, {}});
    for (const auto& x : set.points) rows.back().values.push_back(x.real());
    const auto outside = std::count_if(set.points.begin(), set.points.end(),
                                       [&](const auto& x) { return !pictures::is_finite(x.real()) || x.real() < low || x.real() > high; });
    if (outside > 0)
      beyond += (beyond.empty() ? "Beyond: " : ", ") + set.title + " " +
                pictures::number_text(100 * static_cast<double>(outside) / static_cast<double>(set.points.size()), 2) + " %";
  }
  figure f;
  f.panels.push_back(pictures::strips(rows, low, high, bins));
  f.panels[0].x.label = "eigenvalue of Λ (all real)";
  f.scale = pictures::scale_of_shares("% in a bin of " + pictures::number_text((high - low) / static_cast<double>(bins), 2));
  f.note = beyond + (beyond.empty() ? "" : ".");
  return f;
}

namespace detail {

/// Shares of points in square cells over [-reach, reach]^2, and of those outside.
struct cell_shares {
  std::size_t cells;
  double reach;
  std::vector<double> share;
  double outside = 0;

  cell_shares(const point_set& set, std::size_t count, double radius) : cells(count), reach(radius), share(count * count, 0) {
    const double one = 100 / static_cast<double>(std::max<std::size_t>(1, set.points.size()));
    const auto cell = [&](double x) { return static_cast<std::size_t>((x + reach) / (2 * reach) * static_cast<double>(cells)); };
    for (const auto& x : set.points) {
      if (pictures::is_finite(x.real()) && pictures::is_finite(x.imag()) && std::abs(x.real()) < reach && std::abs(x.imag()) < reach)
        share[cell(x.imag()) * cells + cell(x.real())] += one;
      else outside += one;
    }
  }
  std::size_t occupied() const { return share.size() - static_cast<std::size_t>(std::count(share.begin(), share.end(), 0.0)); }
  double middle(std::size_t at) const { return (2 * static_cast<double>(at) + 1) / static_cast<double>(cells) * reach - reach; }
  /// Few cells as dots, which are seen; many as a grid.
  pictures::mark as_mark(double dot) const {
    if (occupied() > 400) return pictures::raster{cells, cells, {-reach, reach, -reach, reach}, share, ""};
    pictures::scatter seen{{}, {}, {}, dot};
    for (std::size_t c = 0; c < share.size(); ++c)
      if (share[c] > 0) seen.x.push_back(middle(c % cells)), seen.y.push_back(middle(c / cells)), seen.value.push_back(share[c]);
    return seen;
  }
};

inline pictures::curve unit_circle() {
  pictures::curve circle{.colour = pictures::palette::faint_ink, .thickness = 0.6};
  for (int i = 0; i <= 180; ++i) {
    circle.x.push_back(std::cos(i * std::numbers::pi / 90));
    circle.y.push_back(std::sin(i * std::numbers::pi / 90));
  }
  return circle;
}

}  // namespace detail

/// Eigenvalues in the complex plane with the unit circle, a panel a set, coloured by the share of the set's eigenvalues in a cell.
/// All panels reach as far as 99 % of all eigenvalues do; the share beyond is said.
inline figure plane_figure(std::span<const point_set> sets) {
  std::vector<double> radii;
  for (const point_set& set : sets)
    for (const auto& x : set.points) radii.push_back(std::abs(x));
  const double most = detail::quantile(radii, 0.99), reach = pictures::is_finite(most) ? std::fmax(1.12, 1.05 * most) : 1.12;
  const std::size_t cells = sets.size() > 1 ? 120 : 200;
  figure f;
  f.across = sets.size() > 1 ? 2 : 1;
  f.share_x = f.share_y = true;
  for (const point_set& set : sets) {
    const detail::cell_shares shares(set, cells, reach);
    pictures::panel p;
    p.title = set.title;
    p.square = true, p.grid_x = true;
    p.x = {"real part", -reach, reach}, p.y = {"imaginary part", -reach, reach};
    p.marks = {shares.as_mark(sets.size() > 1 ? 0.2 : 0.3), detail::unit_circle()};
    if (shares.outside > 0) p.remarks.push_back({0.76, 0.05, pictures::number_text(shares.outside, 2) + " % beyond"});
    f.panels.push_back(std::move(p));
  }
  f.scale = pictures::scale_of_shares("% in a cell of " + pictures::number_text(2 * reach / static_cast<double>(cells), 2) + "²");
  return f;
}

/// Eigenvalues of several heads or mixers: strips if all are real, else planes.
inline figure spectrum_figure(std::span<const point_set> sets) {
  return std::all_of(sets.begin(), sets.end(), is_real) ? real_spectrum_figure(sets) : plane_figure(sets);
}

}  // namespace coefdyn::spectrum
