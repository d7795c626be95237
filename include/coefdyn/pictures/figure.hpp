// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "../core/config.hpp"

/// A figure as data: panels with axes and marks. Nothing here draws; `draw(figure, stem)` of draw.hpp does.
///
/// ```cpp
/// #include <coefdyn/pictures/draw.hpp>
/// using namespace coefdyn::pictures;
///
/// drawing loss_curve(const std::vector<double>& steps, const std::vector<double>& losses) {
///   panel p;
///   p.x.label = "step", p.y.label = "loss", p.y.logarithmic = true;
///   p.marks.push_back(curve{.name = "training", .colour = palette::line(0), .x = steps, .y = losses});
///   figure f;
///   f.title = "recall: gated_deltanet", f.settings = "n = 64, 2 layers, 1000 steps";
///   f.panels.push_back(p);
///   return draw(f, "run/loss");  // run/loss.png, .svg, .pdf, and .gp with script and data
/// }
/// ```
namespace coefdyn::pictures {

/// Widths in centimetres: a column of a printed page, and the page.
///@{
inline constexpr double column_width = 8.5, page_width = 17.6;
///@}
/// An end of an axis that follows from the marks.
inline constexpr double unset = std::numeric_limits<double>::quiet_NaN();

/// A place on an axis and its words.
struct tick {
  double at;
  std::string text;
};

/// range   low above high turns the axis round; unset: as the marks need
struct axis {
  std::string label;
  double low = unset, high = unset;
  bool logarithmic = false;
  std::vector<tick> ticks{};  // none: chosen
};

/// A line through points, or the points alone. What is not finite leaves a gap, here and in every other mark.
struct curve {
  enum class stroke { solid, dashed, dots, line_and_dots, hollow_dots };
  std::string name{}, colour{};  // a name puts it into the legend
  std::vector<double> x{}, y{};
  stroke style = stroke::solid;
  double thickness = 1;  // points
};

/// The area between two curves.
struct band {
  std::string name, colour;
  std::vector<double> x, low, high;
};

/// A rectangle.
struct box {
  double x0, x1, y0, y1;
};
/// Filled boxes.
struct boxes {
  std::string name, colour;
  std::vector<box> at;
};

/// Upright bars from y - deviation to y + deviation with caps.
struct deviations {
  std::string colour;
  std::vector<double> x, y, deviation;
};

/// Points coloured by the figure's scale.
struct scatter {
  std::vector<double> x, y, value;
  double size = 0.25;
};

/// Magnitudes on a grid, coloured by the figure's scale. 0 takes the colour `zero` (empty: the paper's), `nothing` stays paper,
/// `no_number` stands for what is not finite. Rows run from y0 to y1.
///
/// shape   values: rows * columns, row-major
struct raster {
  static constexpr double nothing = unset, no_number = -1;
  std::size_t rows = 0, columns = 0;
  box at{};
  std::vector<double> values;
  std::string zero;
};

/// What a panel can hold.
using mark = std::variant<curve, band, boxes, deviations, scatter, raster>;

/// Words in a panel, at fractions of its width and height.
struct remark {
  double x, y;
  std::string text;
};

/// One plot: two axes and the marks between them.
struct panel {
  std::string title;
  axis x, y;
  std::vector<mark> marks;
  std::vector<remark> remarks;
  double height = 3;    // of the plot, in centimetres
  bool square = false;  // as high as wide, whatever `height`
  bool grid_x = false, grid_y = true;
};

/// Colours of magnitudes, on a logarithmic scale.
struct colour_scale {
  std::string label;
  double low = 1e-6, high = 1;  // what lies outside takes the colour of the end
  std::vector<std::string> colours;
};

/// A name with its colour below a figure.
struct legend_entry {
  std::string name, colour;
  curve::stroke style = curve::stroke::solid;
  bool filled = true;  // a box; else a line or dots
};

/// Panels on a page, with a title, a legend and a scale.
struct figure {
  std::string title, settings;  // settings: mixer, sizes, data; both break into lines
  std::vector<panel> panels;
  std::size_t across = 1;
  double width = column_width;
  bool share_x = false, share_y = false;  // one set of labels for a column's, a row's panels
  std::optional<colour_scale> scale;
  std::vector<legend_entry> legend;  // beside the marks' names
  std::string note;                  // below
};

}  // namespace coefdyn::pictures
