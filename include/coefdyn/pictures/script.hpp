// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <sstream>
#include <stdexcept>
#include <string>
#include <variant>

#include "layout.hpp"
#include "marks.hpp"

/// A figure as gnuplot's words: data first, then the same drawing for each of three terminals.
namespace coefdyn::pictures::detail {

/// Points of the page: centimetres from the upper left corner become gnuplot's fractions.
class page {
 public:
  explicit page(const layout& l) : l_(l) {}
  std::string at(double x, double y) const { return "screen " + number_text(x / l_.width) + "," + number_text(1 - y / l_.height); }
  double across(double x) const { return x / l_.width; }
  double up(double y) const { return 1 - y / l_.height; }
  double share_of_height(double y) const { return y / l_.height; }

 private:
  const layout& l_;
};

inline std::string font(double size, bool bold = false) {
  return " font '" + std::string(bold ? "sans-serif:Bold" : "sans-serif") + "," + number_text(size) + "'";
}

inline void write_ticks(std::ostringstream& s, const char* which, const axis& a, bool worded, const std::string& how) {
  s << "set " << which << "tics " << how << font(tick_size) << " (";
  for (std::size_t i = 0; i < a.ticks.size(); ++i)
    s << (i ? ", " : "") << quoted(worded ? a.ticks[i].text : "") << ' ' << number_text(a.ticks[i].at, 9)
      << (a.ticks[i].text.empty() ? " 1" : "");
  s << ")\n";
}

/// Title, settings, note and legend, which the first panel carries.
inline void write_words(std::ostringstream& s, const layout& l) {
  const page on(l);
  for (const line_of_text& t : l.text)
    s << "set label " << quoted(t.text) << " at " << on.at(t.x, t.y) << " left" << font(t.size, t.bold) << " tc " << rgb(palette::ink)
      << "\n";
  for (const placed_entry& p : l.legend) {
    const legend_entry& e = p.entry;
    using stroke = curve::stroke;
    if (e.filled)
      s << "set object rectangle from " << on.at(p.x, p.y + 0.09) << " to " << on.at(p.x + 0.3, p.y - 0.09) << " fs solid noborder fc "
        << rgb(e.colour) << "\n";
    else if (e.style == stroke::dots || e.style == stroke::hollow_dots)
      s << "set label '' at " << on.at(p.x + 0.15, p.y) << " point pt " << (e.style == stroke::dots ? 7 : 6) << " ps 0.4*dot lc "
        << rgb(e.colour) << "\n";
    else
      s << "set arrow from " << on.at(p.x, p.y) << " to " << on.at(p.x + 0.36, p.y) << " nohead lw 1.4 dt "
        << (e.style == stroke::dashed ? "(6,4)" : "1") << " lc " << rgb(e.colour) << "\n";
    s << "set label " << quoted(e.name) << " at " << on.at(p.x + 0.44, p.y) << " left" << font(label_size) << " tc " << rgb(palette::ink)
      << "\n";
  }
}

inline void write_panel(std::ostringstream& s, const layout& l, const placed_panel& p, const std::string& name) {
  const page on(l);
  const panel& c = p.content;
  s << "set lmargin at screen " << on.across(p.left) << "\nset rmargin at screen " << on.across(p.right) << "\nset tmargin at screen "
    << on.up(p.top) << "\nset bmargin at screen " << on.up(p.bottom) << "\n";
  s << (c.x.logarithmic ? "set" : "unset") << " logscale x\n" << (c.y.logarithmic ? "set" : "unset") << " logscale y\n";
  s << "set xrange [" << number_text(c.x.low, 9) << ":" << number_text(c.x.high, 9) << "]\nset yrange [" << number_text(c.y.low, 9) << ":"
    << number_text(c.y.high, 9) << "]\n";
  write_ticks(s, "x", c.x, p.words_x, p.slanted ? "rotate by 36 right offset 0.3,0" : "norotate offset 0,0.35");
  write_ticks(s, "y", c.y, p.words_y, "offset 0.5,0");
  s << "unset grid\n";
  if (c.grid_x || c.grid_y)
    s << "set grid " << (c.grid_x ? "xtics " : "") << (c.grid_y ? "ytics " : "") << "back lt 1 lc " << rgb(palette::grid) << " lw 0.6\n";
  const double middle = (p.left + p.right) / 2;
  const auto centred = [&](const std::string& text, double x, double y, const char* how, double size, bool bold) {
    if (how[0] == '\0') {  // level: it stays on the page
      const double half = text_width(text, size) / 2;
      x = std::fmax(edge + half, std::fmin(x, l.width - edge - half));
    }
    if (!text.empty())
      s << "set label " << quoted(text) << " at " << on.at(x, y) << " center " << how << font(size, bold) << " tc " << rgb(palette::ink)
        << "\n";
  };
  const double fits = label_size * (p.right - p.left + 0.15) / std::fmax(0.01, text_width(c.title, label_size));
  centred(c.title, middle, p.top - 0.18, "", std::fmax(5.5, std::fmin(label_size, fits)), false);
  if (p.words_x) centred(c.x.label, middle, p.bottom + p.below + line_height / 2, "", label_size, false);
  if (p.words_y)
    centred(c.y.label, p.left - widest(c.y.ticks, tick_size) - 0.2 - line_height / 2, (p.top + p.bottom) / 2, "rotate by 90", label_size,
            false);
  for (const remark& r : c.remarks)
    s << "set label " << quoted(r.text) << " at graph " << r.x << "," << r.y << " center front" << font(tick_size) << " tc "
      << rgb(palette::faint_ink) << "\n";
  s << "plot ";
  bool any = false;
  for (std::size_t m = 0; m < c.marks.size(); ++m) {
    if (is_empty(c.marks[m])) continue;
    s << (any ? ", \\\n  " : "");
    plot_mark(s, name + "m" + std::to_string(m), c.marks[m]);
    any = true;
  }
  s << (any ? "\n" : "NaN\n") << "unset label\nunset object\nunset arrow\n";
}

inline void write_scale(std::ostringstream& s, const figure& f, const layout& l) {
  if (!f.scale) return;
  const page on(l);
  const colour_scale& scale = *f.scale;
  s << "set palette defined (";
  for (std::size_t i = 0; i < scale.colours.size(); ++i) s << (i ? ", " : "") << i << ' ' << quoted(scale.colours[i]);
  axis a;
  a.logarithmic = true, a.low = scale.low, a.high = scale.high;
  choose(a, {}, std::max(2, static_cast<int>((l.bar_right - l.bar_left) / 0.8)));
  if (!a.ticks.empty() && !a.ticks[0].text.empty()) a.ticks[0].text = "≤ " + a.ticks[0].text;
  s << ")\nsmallest = " << number_text(scale.low, 9) << "  # gnuplot loses much smaller ones\nset logscale cb\nset cbrange ["
    << number_text(scale.low, 9) << ":" << number_text(scale.high, 9) << "]\nset colorbox horizontal user origin screen "
    << on.across(l.bar_left) << "," << on.up(l.bar_bottom) << " size screen " << on.across(l.bar_right - l.bar_left) << ","
    << on.share_of_height(l.bar_bottom - l.bar_top) << " noborder\n";
  write_ticks(s, "cb", a, true, "scale 0.3 offset 0,0.45");
}

inline bool uses_scale(const panel& p) {
  return std::any_of(p.marks.begin(), p.marks.end(), [](const mark& m) {
    return !is_empty(m) && (std::holds_alternative<raster>(m) || std::holds_alternative<scatter>(m));
  });
}

/// The drawing, the same for every terminal.
inline std::string drawing_of(const figure& f, const layout& l) {
  std::ostringstream s = words();
  s << "set encoding utf8\nset multiplot\nunset key\nset border 3 lc " << rgb(palette::frame)
    << " lw 0.6\nset tics nomirror out scale 0.3,0.15 tc " << rgb(palette::ink) << "\nunset colorbox\n";
  write_words(s, l);
  bool scaled = false;  // gnuplot draws the scale with the first panel that has its colours
  for (std::size_t i = 0; i < l.panels.size(); ++i) {
    const bool coloured = uses_scale(f.panels[i]);
    if (coloured && !scaled) write_scale(s, f, l);
    write_panel(s, l, l.panels[i], "$p" + std::to_string(i));
    if (coloured && !scaled) s << "unset colorbox\n";
    scaled = scaled || coloured;
  }
  s << "unset multiplot\n";
  return s.str();
}

inline std::string terminal(const std::string& kind, const layout& l) {
  std::ostringstream s = words();
  const double points = 1 / centimetres_per_point, dots = 300 / 2.54;
  if (kind == "png")
    s << "set terminal pngcairo noenhanced size " << std::lround(l.width * dots) << "," << std::lround(l.height * dots)
      << " fontscale 3.125 linewidth 4.1667 pointscale 4.1667" << font(label_size);
  else if (kind == "svg")
    s << "set terminal svg noenhanced size " << std::lround(l.width * points) << "," << std::lround(l.height * points) << font(label_size)
      << " background '#ffffff'";
  else
    s << "set terminal pdfcairo noenhanced size " << l.width << "cm," << l.height << "cm fontscale 0.75 linewidth 2 pointscale 1"
      << font(label_size);
  return s.str() + "\ndot = " + (kind == "svg" ? "1.5" : "1") + "\n";
}

}  // namespace coefdyn::pictures::detail

namespace coefdyn::pictures {

/// The script of a figure; it writes name.png, name.svg and name.pdf where gnuplot is started.
///
/// error   std::invalid_argument for a figure without panels, and for a raster of a wrong size
inline std::string script_of(const figure& f, const std::string& name) {
  using namespace detail;
  const layout l = laid_out(f);
  std::ostringstream s = words();
  s << "# gnuplot 5.4 or later, in this folder. On grids NaN is nothing and -1 no number.\n";
  for (std::size_t i = 0; i < f.panels.size(); ++i)
    for (std::size_t m = 0; m < f.panels[i].marks.size(); ++m) {
      const mark& drawn = f.panels[i].marks[m];
      if (const auto* grid = std::get_if<raster>(&drawn); grid != nullptr && grid->values.size() != grid->rows * grid->columns)
        COEFDYN_THROW std::invalid_argument("raster: its values should be " + std::to_string(grid->rows * grid->columns) + ", but are " +
                                            std::to_string(grid->values.size()) + ".");
      if (is_empty(drawn)) continue;
      s << "$p" << i << "m" << m << " << EOD\n";
      write_data(s, drawn);
      s << "EOD\n";
    }
  const std::string drawing = drawing_of(f, l);
  for (const std::string kind : {"png", "svg", "pdf"})
    s << "reset\n" << terminal(kind, l) << "set output " << quoted(name + "." + kind) << "\n" << drawing << "unset output\n";
  return s.str();
}

}  // namespace coefdyn::pictures
