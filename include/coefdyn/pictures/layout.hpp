// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <stdexcept>
#include <string>
#include <vector>

#include "ticks.hpp"

/// Where everything of a figure lies, in centimetres from its upper left corner.
namespace coefdyn::pictures::detail {

/// Sizes of type in points: readable at the printed width.
inline constexpr double title_size = 8, label_size = 7, tick_size = 6.5;
inline constexpr double line_height = 0.31, edge = 0.12;

struct line_of_text {
  double x, y;  // left end, middle of the line
  std::string text;
  double size;
  bool bold;
};
struct placed_entry {
  double x, y;
  legend_entry entry;
};
struct placed_panel {
  panel content;  // axes chosen
  double left, right, top, bottom;
  bool words_x, words_y;  // of ticks and axis
  bool slanted = false;   // words of the ticks of x
  double below = 0;       // room that those words take
};
struct layout {
  double width = 0, height = 0;
  std::vector<line_of_text> text;
  std::vector<placed_entry> legend;
  std::vector<placed_panel> panels;
  double bar_left = 0, bar_right = 0, bar_top = 0, bar_bottom = 0;  // the colour scale
};

inline double widest(const std::vector<tick>& ticks, double size) {
  double width = 0;
  for (const tick& t : ticks) width = std::fmax(width, text_width(t.text, size));
  return width;
}

/// The legend's entries: those of the marks, each name once, then the figure's.
inline std::vector<legend_entry> legend_of(const figure& f) {
  std::vector<legend_entry> all;
  const auto add = [&](const std::string& name, const std::string& colour, curve::stroke style, bool filled) {
    const bool known = std::any_of(all.begin(), all.end(), [&](const legend_entry& e) { return e.name == name; });
    if (!name.empty() && !known) all.push_back({name, colour, style, filled});
  };
  for (const panel& p : f.panels)
    for (const mark& m : p.marks) {
      if (const auto* c = std::get_if<curve>(&m)) add(c->name, c->colour, c->style, false);
      if (const auto* b = std::get_if<band>(&m)) add(b->name, b->colour, curve::stroke::solid, true);
      if (const auto* b = std::get_if<boxes>(&m)) add(b->name, b->colour, curve::stroke::solid, true);
    }
  for (const legend_entry& e : f.legend) add(e.name, e.colour, e.style, e.filled);
  return all;
}

/// Title, settings and legend; returns the depth that they take.
inline double place_head(const figure& f, layout& l) {
  double y = edge;
  const auto lines = [&](const std::string& text, double size, bool bold) {
    for (const std::string& line : wrapped(text, bold ? 1.1 * size : size, f.width - 2 * edge)) {
      l.text.push_back({edge, y + line_height / 2, line, size, bold});
      y += line_height * size / label_size;
    }
  };
  lines(f.title, title_size, true);
  lines(f.settings, label_size, false);
  double x = edge;
  const std::vector<legend_entry> entries = legend_of(f);
  if (!entries.empty()) y += 0.08;
  for (const legend_entry& e : entries) {
    const double needed = 0.5 + text_width(e.name, label_size);
    if (x > edge && x + needed > f.width - edge) x = edge, y += line_height;
    l.legend.push_back({x, y + line_height / 2, e});
    x += needed + 0.25;
  }
  return y + (entries.empty() ? 0 : line_height) + 0.1;
}

/// Words below that would touch are slanted.
inline void fit_words(placed_panel& p) {
  double room = p.right - p.left;
  const axis& a = p.content.x;
  const auto place = [&](double at) {
    return a.logarithmic ? std::log(at / a.low) / std::log(a.high / a.low) : (at - a.low) / (a.high - a.low);
  };
  const tick* last = nullptr;
  for (const tick& t : a.ticks) {
    if (t.text.empty()) continue;
    if (last != nullptr) {
      const double apart = std::abs(place(t.at) - place(last->at)) * (p.right - p.left);
      room = std::fmin(room, apart - (text_width(t.text, tick_size) + text_width(last->text, tick_size)) / 2);
    }
    last = &t;
  }
  p.slanted = room < 0.02;
  p.below = p.slanted ? 0.15 + widest(a.ticks, tick_size) * std::sin(std::numbers::pi / 5) + 0.2 : 0.12 + line_height;
}

/// Left edges and the common width of plots.
inline double place_columns(const figure& f, std::vector<placed_panel>& panels) {
  std::vector<double> margin(f.across, 0.1);
  for (std::size_t i = 0; i < panels.size(); ++i) {
    placed_panel& p = panels[i];
    p.words_y = !f.share_y || i % f.across == 0;
    if (!p.words_y) continue;
    const double needed = edge + (p.content.y.label.empty() ? 0 : line_height) + widest(p.content.y.ticks, tick_size) + 0.2;
    margin[i % f.across] = std::fmax(margin[i % f.across], needed);
  }
  double right = 0.3;
  for (const placed_panel& p : panels)
    if (!p.content.x.ticks.empty()) right = std::fmax(right, text_width(p.content.x.ticks.back().text, tick_size) / 2 + 0.1);
  double free = f.width - right;
  for (const double m : margin) free -= m;
  const double plot = free / static_cast<double>(f.across);
  if (!(plot > 0.5))
    COEFDYN_THROW std::invalid_argument("figure: its width should hold " + std::to_string(f.across) + " panels, but does not.");
  for (std::size_t i = 0; i < panels.size(); ++i) {
    double left = 0;
    for (std::size_t c = 0; c <= i % f.across; ++c) left += margin[c] + (c > 0 ? plot : 0);
    panels[i].left = left;
    panels[i].right = left + plot;
  }
  return plot;
}

/// Rows of panels from y downwards; returns where they end.
inline double place_rows(const figure& f, std::vector<placed_panel>& panels, double y) {
  for (std::size_t first = 0; first < panels.size(); first += f.across) {
    const std::size_t end = std::min(panels.size(), first + f.across);
    double above = 0.06, height = 0, below = 0.14;
    for (std::size_t i = first; i < end; ++i) {
      placed_panel& p = panels[i];
      p.words_x = !f.share_x || i + f.across >= panels.size();
      fit_words(p);
      if (!p.content.title.empty()) above = 0.36;
      height = std::fmax(height, p.content.square ? p.right - p.left : p.content.height);
      if (p.words_x) below = std::fmax(below, p.below + (p.content.x.label.empty() ? 0 : line_height) + 0.05);
    }
    for (std::size_t i = first; i < end; ++i) {
      panels[i].top = y + above;
      panels[i].bottom = panels[i].top + (panels[i].content.square ? panels[i].right - panels[i].left : panels[i].content.height);
    }
    y += above + height + below;
  }
  return y;
}

inline double place_scale(const figure& f, layout& l, double y) {
  const double words = text_width(f.scale->label, label_size);
  l.text.push_back({edge, y + 0.2, f.scale->label, label_size, false});
  l.bar_left = edge + words + 0.3, l.bar_right = f.width - 0.5;
  l.bar_top = y + 0.1, l.bar_bottom = y + 0.32;
  return y + 0.74;
}

inline layout laid_out(const figure& f) {
  if (f.panels.empty() || f.across == 0) COEFDYN_THROW std::invalid_argument("figure: it should have a panel, but has none.");
  layout l;
  l.width = f.width;
  double y = place_head(f, l);
  for (const panel& p : f.panels) l.panels.push_back({p, 0, 0, 0, 0, true, true});
  const double rough = f.width / static_cast<double>(f.across);
  for (placed_panel& p : l.panels)
    choose_axes(p.content, std::max(2, static_cast<int>(rough / 1.6)),
                std::max(2, static_cast<int>(p.content.square ? rough / 1.6 : p.content.height / 0.9)));
  place_columns(f, l.panels);
  y = place_rows(f, l.panels, y);
  if (f.scale) y = place_scale(f, l, y);
  for (const std::string& line : wrapped(f.note, tick_size, f.width - 2 * edge)) {
    l.text.push_back({edge, y + line_height / 2, line, tick_size, false});
    y += line_height;
  }
  l.height = y + edge / 2;
  return l;
}

}  // namespace coefdyn::pictures::detail
