// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <locale>
#include <sstream>
#include <string>
#include <type_traits>
#include <variant>

#include "figure.hpp"
#include "number.hpp"
#include "palette.hpp"
#include "text.hpp"

/// Marks as gnuplot's words: their data, and how these are plotted.
namespace coefdyn::pictures::detail {

inline std::string quoted(const std::string& words) {
  std::string out = "'";
  for (const char c : words) out += c == '\'' ? std::string("''") : std::string(1, c == '\n' || c == '\r' ? ' ' : c);
  return out + "'";
}
inline std::string rgb(const std::string& colour) { return "rgb " + quoted(colour); }

inline std::ostringstream words() {
  std::ostringstream s;
  s.imbue(std::locale::classic());
  s.precision(5);
  return s;
}

inline std::string finite(double x) { return is_finite(x) ? number_text(x, 9) : std::string("NaN"); }

inline double entry(const std::vector<double>& values, std::size_t i) { return i < values.size() ? values[i] : unset; }

/// Rows of columns of equal length.
template <class... Column>
void write_columns(std::ostringstream& s, std::size_t rows, const Column&... columns) {
  for (std::size_t i = 0; i < rows; ++i) {
    const char* before = "";
    ((s << before << finite(entry(columns, i)), before = " "), ...);
    s << '\n';
  }
}

/// gnuplot's images have two rows and columns at least: one becomes two of half the size.
inline std::size_t doubled(std::size_t count) { return count == 1 ? 2 : 1; }

inline void write_raster(std::ostringstream& s, const raster& m) {
  const std::size_t down = doubled(m.rows), across = doubled(m.columns);
  for (std::size_t i = 0; i < m.rows * down; ++i) {
    for (std::size_t j = 0; j < m.columns * across; ++j) {
      const double x = m.values[i / down * m.columns + j / across];
      s << (j == 0 ? "" : " ");
      if (is_nan(x)) s << "NaN";
      else s << (is_finite(x) ? x : raster::no_number);
    }
    s << '\n';
  }
}

inline void write_data(std::ostringstream& s, const mark& drawn) {
  std::visit(
      [&](const auto& m) {
        using M = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<M, curve>) write_columns(s, m.x.size(), m.x, m.y);
        if constexpr (std::is_same_v<M, band>) write_columns(s, m.x.size(), m.x, m.low, m.high);
        if constexpr (std::is_same_v<M, deviations>) write_columns(s, m.x.size(), m.x, m.y, m.deviation);
        if constexpr (std::is_same_v<M, scatter>) write_columns(s, m.x.size(), m.x, m.y, m.value);
        if constexpr (std::is_same_v<M, boxes>)
          for (const box& b : m.at) s << finite(b.x0) << ' ' << finite(b.x1) << ' ' << finite(b.y0) << ' ' << finite(b.y1) << '\n';
        if constexpr (std::is_same_v<M, raster>) write_raster(s, m);
      },
      drawn);
}

/// Nothing at all to draw would stop gnuplot.
inline bool is_empty(const mark& drawn) {
  return std::visit(
      [](const auto& m) {
        if constexpr (requires { m.values; }) return m.values.empty();
        else if constexpr (requires { m.at.empty(); }) return m.at.empty();
        else return m.x.empty();
      },
      drawn);
}

inline void plot_raster(std::ostringstream& s, const std::string& data, const raster& m) {
  const auto rows = static_cast<double>(m.rows * doubled(m.rows)), columns = static_cast<double>(m.columns * doubled(m.columns));
  const double dx = (m.at.x1 - m.at.x0) / columns, dy = (m.at.y1 - m.at.y0) / rows;
  std::ostringstream place = words();
  place << data << " matrix using (" << m.at.x0 + dx / 2 << "+" << dx << "*$1):(" << m.at.y0 + dy / 2 << "+" << dy << "*$2):";
  const auto flat = [&](const std::string& condition, const std::string& colour) {
    s << ", " << place.str();
    for (const std::size_t at : {1u, 3u, 5u}) s << '(' << std::stoi(colour.substr(at, 2), nullptr, 16) << "):";
    s << "(" << condition << "?255:0) with rgbalpha";
  };
  bool zeros = false, no_numbers = false;
  for (const double x : m.values) zeros = zeros || x == 0, no_numbers = no_numbers || x < 0 || is_infinite(x);
  s << place.str() << "($3>0?($3>smallest?$3:smallest):NaN) with image";
  if (zeros && !m.zero.empty()) flat("$3==0", m.zero);
  if (no_numbers) flat("$3<0", palette::no_number);
}

inline void plot_curve(std::ostringstream& s, const std::string& data, const curve& m) {
  using stroke = curve::stroke;
  s << data << " using 1:2 with ";
  if (m.style == stroke::dots || m.style == stroke::hollow_dots)
    s << "points pt " << (m.style == stroke::dots ? 7 : 6) << " ps 0.35*dot lw 0.8";
  else
    s << (m.style == stroke::line_and_dots ? "linespoints pt 7 ps 0.35*dot lw " : "lines lw ") << m.thickness << " dt "
      << (m.style == stroke::dashed ? "(6,4)" : "1");
  s << " lc " << rgb(m.colour);
}

inline void plot_mark(std::ostringstream& s, const std::string& data, const mark& drawn) {
  std::visit(
      [&](const auto& m) {
        using M = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<M, curve>) plot_curve(s, data, m);
        if constexpr (std::is_same_v<M, band>) s << data << " using 1:2:3 with filledcurves fs solid noborder lc " << rgb(m.colour);
        if constexpr (std::is_same_v<M, deviations>)
          s << data << " using 1:($2-$3):(0):(2*$3) with vectors heads size graph 0.014,90 nofilled lw 0.8 lc " << rgb(m.colour);
        if constexpr (std::is_same_v<M, scatter>) s << data << " using 1:2:3 with points pt 7 ps " << m.size << "*dot lc palette";
        if constexpr (std::is_same_v<M, boxes>)
          s << data << " using (($1+$2)/2):(($3+$4)/2):1:2:3:4 with boxxyerror fs solid noborder lc " << rgb(m.colour);
        if constexpr (std::is_same_v<M, raster>) plot_raster(s, data, m);
      },
      drawn);
}

}  // namespace coefdyn::pictures::detail
