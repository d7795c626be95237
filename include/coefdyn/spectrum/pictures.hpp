// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <limits>
#include <locale>
#include <numeric>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "../core/config.hpp"

/// Pictures through gnuplot. Each function writes one script with its data beside the image (image path + ".gp") and runs
/// gnuplot on it; without gnuplot the script stays, and the result says so. The image's ending, .png or .svg, decides.
namespace coefdyn::spectrum {

struct picture {
  std::string image, script;
  bool drawn = false;
  std::string note;  // a sentence when it was not drawn
};

/// Percentages of one panel: before training, and after it unless empty; deviations may be empty.
struct bar_panel {
  std::string title;
  std::vector<double> before, before_deviation, after, after_deviation;
};

struct point_set {
  std::string title;
  std::vector<std::complex<double>> points;
};

/// Horizon of each token of one head; infinity for never.
struct horizon_line {
  std::string title;
  std::vector<double> steps;
};

namespace detail {

inline std::string quoted(const std::string& words) {
  std::string out = "'";
  for (const char c : words) out += c == '\'' ? std::string("''") : std::string(1, c == '\n' ? ' ' : c);
  return out + "'";
}

/// A script with the look that all pictures share.
inline std::ostringstream begin_script(const std::string& image, int width, int height) {
  const bool svg = image.ends_with(".svg");
  if (!svg && !image.ends_with(".png")) throw std::invalid_argument("picture: the file should end in .png or .svg, but is " + image + ".");
  std::ostringstream s;
  s.imbue(std::locale::classic());
  s.precision(9);
  if (svg) s << "set terminal svg noenhanced size " << width << "," << height << " font 'DejaVu Sans,13' background '#ffffff'\n";
  else
    s << "set terminal pngcairo noenhanced size " << 2 * width << "," << 2 * height
      << " fontscale 2 linewidth 2 pointscale 2 font 'DejaVu Sans,10'\n";
  s << "set encoding utf8\nset output " << quoted(image) << "\n"
    << "set border 3 lc rgb '#606060' lw 0.8\nset tics nomirror out scale 0.5 textcolor rgb '#303030'\n"
    << "set grid ytics lc rgb '#e4e4e4' lw 0.7 dt 1\nset key textcolor rgb '#303030'\n"
    << "set title font ',11' textcolor rgb '#202020' offset 0,-0.4\n";
  return s;
}

inline picture draw(const std::ostringstream& script, const std::string& image) {
  picture result{image, image + ".gp", false, ""};
  std::ofstream file(result.script, std::ios::binary);
  file << script.str();
  file.close();
  if (!file) throw std::runtime_error(result.script + ": the file should be writable, but writing failed.");
  // The script goes through the pipe: no path meets the shell. What gnuplot leaves unread, or a missing one, the shell reads, so
  // that writing does not end in a signal.
  std::FILE* pipe = popen("gnuplot >/dev/null 2>&1; status=$?; while read -r line; do :; done; exit $status", "w");
  if (pipe != nullptr) {
    std::fputs(script.str().c_str(), pipe);
    std::fputs("\nset output\n", pipe);
    result.drawn = pclose(pipe) == 0;
  }
  if (!result.drawn) result.note = "gnuplot is missing or refused the script; the picture's script and data are in " + result.script + ".";
  return result;
}

inline void number_or_gap(std::ostringstream& s, double x) {
  if (std::isfinite(x)) s << x;
  else s << "NaN";
}

inline std::string bin_name(std::span<const double> edges, std::size_t bin, const std::string& unit) {
  std::ostringstream s;
  s.imbue(std::locale::classic());
  if (std::isinf(edges[bin + 1])) s << "> " << edges[bin] << unit;
  else if (std::isinf(edges[bin])) s << "≤ " << edges[bin + 1] << unit;
  else s << edges[bin] << "–" << edges[bin + 1] << unit;
  return s.str();
}

inline void write_bars(std::ostringstream& s, std::span<const double> edges, const bar_panel& panel, std::size_t index,
                       const std::string& unit) {
  const auto entry = [](const std::vector<double>& values, std::size_t bin) { return bin < values.size() ? values[bin] : 0.0; };
  s << "$panel" << index << " << EOD\n";
  for (std::size_t bin = 0; bin + 1 < edges.size(); ++bin) {
    s << '"' << bin_name(edges, bin, unit) << "\" " << bin;
    for (const auto* values : {&panel.before, &panel.before_deviation, &panel.after, &panel.after_deviation})
      s << ' ' << entry(*values, bin);
    s << '\n';
  }
  s << "EOD\n";
}

/// A capped bar from value - deviation (0 at least) to value + deviation; none where the deviation is 0.
inline void write_deviation(std::ostringstream& s, double shift, int column, const char* colour) {
  const std::string value = "$" + std::to_string(column), deviation = "$" + std::to_string(column + 1);
  const std::string low = "(" + value + ">" + deviation + "?" + value + "-" + deviation + ":0)";
  s << ", '' using ($2+" << shift << "):(" << deviation << ">0?" << low << ":NaN):(0):(" << value << "+" << deviation << "-" << low
    << ") with vectors heads size screen 0.0035,90 nofilled lw 0.9 lc rgb '" << colour << "' notitle";
}

}  // namespace detail

/// Bar charts of histograms: light before training, dark after it, with deviation bars; one panel per layer or head.
///
/// shape   edges: bins + 1; each panel's vectors: bins, or empty
inline picture draw_histograms(const std::string& image, std::span<const double> edges, std::span<const bar_panel> panels,
                               const std::string& quantity, const std::string& unit = "") {
  const std::size_t count = std::max<std::size_t>(1, panels.size()), across = count == 4 ? 2 : std::min<std::size_t>(3, count);
  const std::size_t down = (count + across - 1) / across;
  const auto width = static_cast<int>(across == 1 ? 560 : 400 * across);
  auto s = detail::begin_script(image, width, static_cast<int>(270 * down + 30));
  double top = 100;
  for (const auto& panel : panels)
    for (std::size_t bin = 0; bin + 1 < edges.size(); ++bin) {
      if (bin < panel.before.size() && bin < panel.before_deviation.size())
        top = std::fmax(top, panel.before[bin] + panel.before_deviation[bin]);
      if (bin < panel.after.size() && bin < panel.after_deviation.size())
        top = std::fmax(top, panel.after[bin] + panel.after_deviation[bin]);
    }
  for (std::size_t i = 0; i < panels.size(); ++i) detail::write_bars(s, edges, panels[i], i, unit);
  s << "set multiplot layout " << down << "," << across << "\n"
    << "set yrange [0:" << std::fmin(top, 118) + 20 << "]\nset ytics 0,25,100\nset xrange [-0.6:" << static_cast<double>(edges.size()) - 1.4
    << "]\nset style fill solid 1 noborder\n"
    << "set xtics rotate by 32 right offset 0.6,0.1 font ',9' scale 0\nset bmargin 4.6\nset tmargin 2.4\n"
    << "set xlabel " << detail::quoted(quantity) << " font ',9' offset 0,0.9\n";
  for (std::size_t i = 0; i < panels.size(); ++i) {
    const bool both = !panels[i].after.empty(), first = i % across == 0;
    const double half = both ? 0.19 : 0.0, wide = both ? 0.36 : 0.6;
    s << "set title " << detail::quoted(panels[i].title) << "\n"
      << (first ? "set ylabel 'eigenvalues (%)' font ',9' offset 1,0\n" : "unset ylabel\n")
      << (i == 0 && both ? "set key top left horizontal reverse Left samplen 1 font ',9'\n" : "unset key\n") << "plot $panel" << i
      << " using ($2-" << half << "):3:(" << wide << "):xtic(1) with boxes lc rgb '#a9c6e3' title 'initialised'";
    if (!panels[i].before_deviation.empty()) detail::write_deviation(s, -half, 3, "#5b7c9d");
    if (both) s << ", '' using ($2+0.19):5:(" << wide << ") with boxes lc rgb '#1d4f80' title 'trained'";
    if (both && !panels[i].after_deviation.empty()) detail::write_deviation(s, half, 5, "#e0853d");
    s << "\n";
  }
  s << "unset multiplot\n";
  return detail::draw(s, image);
}

/// Eigenvalues in the complex plane with the unit circle.
inline picture draw_plane(const std::string& image, std::span<const point_set> sets, const std::string& title) {
  static constexpr const char* colours[] = {"#1d4f80", "#d1662b", "#3c8d5a", "#8256a5", "#b8336a", "#6b6b6b"};
  double reach = 1.12;
  for (const auto& set : sets)
    for (const auto& x : set.points)
      if (std::isfinite(std::abs(x))) reach = std::fmax(reach, 1.08 * std::abs(x));
  auto s = detail::begin_script(image, sets.size() > 1 ? 660 : 500, 500);
  for (std::size_t i = 0; i < sets.size(); ++i) {
    s << "$points" << i << " << EOD\n";
    for (const auto& x : sets[i].points)
      if (std::isfinite(x.real()) && std::isfinite(x.imag())) s << x.real() << ' ' << x.imag() << '\n';
    s << "NaN NaN\nEOD\n";
  }
  s << "set size ratio -1\nset xrange [" << -reach << ":" << reach << "]\nset yrange [" << -reach << ":" << reach << "]\nset title "
    << detail::quoted(title) << "\nset xlabel 'real part'\nset ylabel 'imaginary part' offset 1,0\n"
    << "set grid xtics ytics\nset parametric\nset trange [0:2*pi]\nset samples 721\n"
    << "set arrow 1 from " << -reach << ",0 to " << reach << ",0 nohead lc rgb '#b8b8b8' lw 0.8 back\n"
    << "set arrow 2 from 0," << -reach << " to 0," << reach << " nohead lc rgb '#b8b8b8' lw 0.8 back\n"
    << (sets.size() > 1 ? "set key outside right top Left reverse samplen 0.5\n" : "unset key\n")
    << "plot cos(t),sin(t) with lines lc rgb '#404040' lw 1 notitle";
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const bool many = sets[i].points.size() > 400;
    s << ", $points" << i << " using 1:2 with points pt 7 ps " << (many ? 0.3 : 0.55) << " lc rgb '" << (many ? "#70" : "#38")
      << colours[i % 6] + 1 << "' title " << detail::quoted(sets[i].title);
  }
  s << "\n";
  return detail::draw(s, image);
}

/// The coefficients |alpha_ij|, i >= j, on a logarithmic scale from `smallest` to the largest; exact zeros and smaller
/// ones take the darkest colour. Above 512 tokens a block shows its largest.
///
/// shape   alpha: T x T row-major; what lies above the diagonal is not read
inline picture draw_coefficients(const std::string& image, std::span<const double> alpha, std::size_t tokens, const std::string& title,
                                 double smallest = 1e-6) {
  if (alpha.size() != tokens * tokens)
    throw std::invalid_argument("draw_coefficients: alpha should have T * T = " + std::to_string(tokens * tokens) + " entries, but has " +
                                std::to_string(alpha.size()) + ".");
  const std::size_t block = std::max<std::size_t>(1, (tokens + 511) / 512), cells = (tokens + block - 1) / block;
  std::vector<double> map(cells * cells, -1);
  double largest = smallest * 10;
  for (std::size_t i = 0; i < tokens; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double& cell = map[i / block * cells + j / block];
      cell = std::fmax(cell, std::abs(alpha[i * tokens + j]));
      if (std::isfinite(cell)) largest = std::fmax(largest, cell);
    }
  auto s = detail::begin_script(image, 560, 500);
  s << "$map << EOD\n";
  for (std::size_t i = 0; i < cells; ++i)
    for (std::size_t j = 0; j < cells; ++j) {
      const double cell = map[i * cells + j];
      detail::number_or_gap(s, cell < 0 ? std::numeric_limits<double>::quiet_NaN() : std::log10(std::fmax(cell, smallest)));
      s << (j + 1 == cells ? '\n' : ' ');
    }
  const auto n = static_cast<double>(block);
  s << "EOD\nunset grid\nset size ratio 1\nset xrange [-0.5:" << static_cast<double>(tokens) - 0.5 << "]\nset yrange ["
    << static_cast<double>(tokens) - 0.5 << ":-0.5]\nset cbrange [" << std::log10(smallest) << ":" << std::log10(largest)
    << "]\nset palette defined (0 '#180f3d', 0.25 '#721f81', 0.5 '#cd4071', 0.75 '#fd9567', "
    << "1 '#fcfdbf')\nset cblabel 'log₁₀ |α|' offset 0.5,0\nset colorbox user size 0.03,0.6 origin 0.855,0.2\n"
    << "set rmargin at screen 0.82\nset xlabel 'written at token j'\nset ylabel 'read at token i' offset 0.5,0\n"
    << "set title " << detail::quoted(title) << "\nunset key\nplot $map matrix using ($1*" << n << "+" << (n - 1) / 2 << "):($2*" << n
    << "+" << (n - 1) / 2 << "):3 with image\n";
  return detail::draw(s, image);
}

/// Horizon against the token; one that is never reached is drawn hollow on the line of the steps that are left.
inline picture draw_horizons(const std::string& image, std::span<const horizon_line> lines, const std::string& title) {
  static constexpr const char* colours[] = {"#1d4f80", "#d1662b", "#3c8d5a", "#8256a5", "#b8336a", "#6b6b6b"};
  std::size_t tokens = 2;
  for (const auto& line : lines) tokens = std::max(tokens, line.steps.size());
  auto s = detail::begin_script(image, 660, 400);
  for (std::size_t l = 0; l < lines.size(); ++l) {
    s << "$line" << l << " << EOD\n";
    const std::size_t every = (lines[l].steps.size() + 3999) / 4000;
    const std::size_t sparse = std::max<std::size_t>(1, lines[l].steps.size() / every / 50);
    for (std::size_t t = 0; t + 1 < lines[l].steps.size(); t += every) {
      const double step = lines[l].steps[t];
      s << t << ' ';
      detail::number_or_gap(s, step);
      s << (std::isinf(step) && t / every % sparse == 0 ? " " + std::to_string(lines[l].steps.size() - 1 - t) : " NaN") << '\n';
    }
    s << "EOD\n";
  }
  const auto last = static_cast<double>(tokens - 1);
  s << "set logscale y\nset xrange [0:" << last << "]\nset yrange [0.8:" << 1.5 * last
    << "]\nset format y '%g'\nset samples 1000\nset xlabel 'token'\nset ylabel 'steps until the norm is below 1/e'\n"
    << "set title " << detail::quoted(title) << "\nset key outside right top Left reverse samplen 1.5\n"
    << "plot (x < " << last << " ? " << last
    << " - x : NaN) with lines lc rgb '#b0b0b0' dt 2 title 'end of sequence', NaN with points pt 6 ps 0.6 lw 0.8 lc rgb '#606060' title "
       "'not reached'";
  for (std::size_t l = 0; l < lines.size(); ++l) {
    const std::string colour = std::string(" lc rgb '") + colours[l % 6] + "'";
    s << ", $line" << l << " using 1:2 with lines lw 1.2" << colour << " title " << detail::quoted(lines[l].title)
      << ", '' using 1:3 with points pt 6 ps 0.6 lw 0.8" << colour << " notitle";
  }
  s << "\n";
  return detail::draw(s, image);
}

}  // namespace coefdyn::spectrum
