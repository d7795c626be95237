// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <coefdyn/spectrum/histogram.hpp>
#include <coefdyn/spectrum/pictures.hpp>
#include <limits>
#include <numeric>

namespace {
using namespace coefdyn::spectrum;
namespace pictures = coefdyn::pictures;
constexpr double no_number = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();

const pictures::raster& grid_of(const figure& f, std::size_t panel) { return std::get<pictures::raster>(f.panels[panel].marks[0]); }
double sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }
}  // namespace

TEST_CASE("figures: maps of one set have one range, and zeros, small ones, no numbers and what is not causal differ") {
  const std::vector<coefficient_map> maps{{"head 0", {1, 99, 0, 1e-9}, 2}, {"head 1", {-35, 99, no_number, infinite}, 2}};
  const figure f = coefficient_figure(maps, 2);
  REQUIRE(f.panels.size() == 2);
  CHECK(f.scale->low == 1e-6);
  CHECK(f.scale->high == doctest::Approx(100));
  const auto& first = grid_of(f, 0).values;
  CHECK(first[0] == 1);
  CHECK(std::isnan(first[1]));
  CHECK(first[2] == 0);
  CHECK(first[3] == 1e-9);
  const auto& second = grid_of(f, 1).values;
  CHECK(second[0] == 35);
  CHECK(second[2] == pictures::raster::no_number);
  CHECK(second[3] == pictures::raster::no_number);
  REQUIRE(f.legend.size() == 2);
  CHECK(f.legend[0].name == "exactly 0");
  CHECK(f.legend[1].name == "not finite");
  CHECK(coefficient_figure({maps.data(), 1}).legend.size() == 1);
  const std::vector<coefficient_map> wrong{{"", {1, 2, 3}, 2}};
  CHECK_THROWS_WITH_AS(coefficient_figure(wrong), "coefficient_figure: alpha should have T * T = 4 entries, but has 3.",
                       std::invalid_argument);
}

TEST_CASE("figures: a large map shows each block's largest, and says what is not causal") {
  std::vector<double> alpha(100 * 100, 1e-4);
  alpha[57 * 100 + 31] = -3;
  const std::vector<coefficient_map> maps{{"", alpha, 100}};
  const figure f = coefficient_figure(maps, 1, 32);
  const auto& grid = grid_of(f, 0);
  CHECK(grid.rows == 25);
  CHECK(grid.values[14 * 25 + 7] == 3);
  CHECK(grid.values[14 * 25 + 8] == 1e-4);
  CHECK(std::isnan(grid.values[7 * 25 + 8]));
  CHECK(grid.at.x1 == 99.5);
  REQUIRE(f.panels[0].remarks.size() == 1);
  CHECK(f.panels[0].remarks[0].text == "j > i: not causal");
  CHECK(f.note == "A cell shows the largest of its block of tokens.");
  const figure many = coefficient_figure(std::vector<coefficient_map>(5, maps[0]), 5);
  CHECK(many.note.find("not causal") != std::string::npos);
}

TEST_CASE("figures: histograms before and after, deviations, bins as words") {
  const std::vector<bar_panel> panels{
      {"layer 0", {10, 20, 70, 0, 0, 0, 0}, {1, 2, 40, 0, 0, 0, 0}, {30, 30, 40, 0, 0, 0, 0}, {0, 1, 2, 0, 0, 0, 0}},
      {"layer 1", {10, 20, 70, 0, 0, 0, 0}}};
  const figure f = histogram_figure(radius_edges, panels, "radius");
  REQUIRE(f.panels.size() == 2);
  CHECK(f.panels[0].x.ticks[1].text == "0.1–0.5");
  CHECK(f.panels[0].x.ticks[6].text == "> 100");
  CHECK(f.panels[0].y.high > 110);  // the deviation is on the page
  CHECK(f.panels[0].y.high == f.panels[1].y.high);
  CHECK(std::get<pictures::boxes>(f.panels[0].marks[2]).at[1].y1 == 30);
  CHECK(std::get<pictures::deviations>(f.panels[0].marks[1]).deviation == std::vector<double>{1, 2, 40});
  CHECK(bin_name(phase_edges, 4, "°") == "90–180°");
  const std::vector<double> open{-infinite, 0, infinite};
  CHECK(bin_name(open, 0) == "≤ 0");
  CHECK(bin_name(open, 1) == "> 0");
}

TEST_CASE("figures: a stacked bar a histogram, as long as its shares") {
  const figure f = stack_figure(radius_edges, {{"gla", {0, 50, 0, 50, 0, 0, 0}}, {"rwkv7", {5, 5, 0, 80, 10, 0, 0}}}, "radius");
  REQUIRE(f.panels.size() == 1);
  CHECK(f.panels[0].y.ticks[1].text == "rwkv7");
  double length[2] = {0, 0};
  for (const auto& m : f.panels[0].marks)
    for (const auto& b : std::get<pictures::boxes>(m).at) length[b.y0 > 0.5] += b.x1 - b.x0;
  CHECK(length[0] == doctest::Approx(100));
  CHECK(length[1] == doctest::Approx(100));
  CHECK(std::get<pictures::boxes>(f.panels[0].marks[4]).name == "1–10");
}

TEST_CASE("figures: real eigenvalues are strips in equal bins, others planes") {
  std::vector<point_set> sets{{"head 0", {{0.5, 0}, {1, 1e-12}, {1, 0}, {50, 0}}}, {"head 1", {{-0.5, 0}}}};
  const figure strips = spectrum_figure(sets);
  REQUIRE(strips.panels.size() == 1);
  REQUIRE(strips.panels[0].marks.size() == 2);
  const auto& row = grid_of(strips, 0);
  CHECK(row.rows == 1);
  CHECK(sum(row.values) == doctest::Approx(75));
  CHECK(*std::max_element(row.values.begin(), row.values.end()) == 50);
  CHECK(strips.note == "Beyond: head 0 25 %.");
  CHECK(strips.panels[0].x.low == doctest::Approx(-0.575));
  CHECK(strips.panels[0].x.high == doctest::Approx(2.075));

  sets[1].points[0] = {0, 0.5};
  const figure planes = spectrum_figure(sets);
  REQUIRE(planes.panels.size() == 2);
  const auto& seen = std::get<pictures::scatter>(planes.panels[1].marks[0]);
  REQUIRE(seen.value.size() == 1);
  CHECK(seen.value[0] == 100);
  const double cell = 2 * planes.panels[1].x.high / 120;
  CHECK(std::abs(seen.x[0]) <= cell);
  CHECK(std::abs(seen.y[0] - 0.5) <= cell);
}

TEST_CASE("figures: many eigenvalues in a plane are a grid, which holds them all but those beyond") {
  std::vector<point_set> sets{{"lru", {}}};
  for (int i = 0; i < 1000; ++i) sets[0].points.push_back(std::polar(0.5 + i / 2000.0, i * 2.4));
  sets[0].points.push_back(4);
  const figure f = plane_figure(sets);
  CHECK(sum(grid_of(f, 0).values) == doctest::Approx(100 * 1000.0 / 1001));
  REQUIRE(f.panels[0].remarks.size() == 1);
  CHECK(f.panels[0].remarks[0].text == "0.1 % beyond");
  CHECK(f.panels[0].x.high == 1.12);
}

TEST_CASE("figures: horizons have a panel a head, medians above 256 tokens, and what is not reached") {
  const std::vector<horizon_line> lines{{"head 0", {2, 1, infinite, infinite}}, {"head 1", {1, 1, 1, infinite}}};
  const figure f = horizon_figure(lines);
  REQUIRE(f.panels.size() == 2);
  const auto& reached = std::get<pictures::curve>(f.panels[0].marks[1]);
  CHECK(reached.y == std::vector<double>{2, 1, infinite});
  CHECK(std::get<pictures::curve>(f.panels[0].marks[0]).y == std::vector<double>{3, 2, 1});

  std::vector<double> steps(1001, 7);
  for (std::size_t t = 0; t < 500; ++t) steps[t] = t % 4 == 0 ? 100 : 5;
  for (std::size_t t = 900; t < steps.size(); ++t) steps[t] = infinite;
  const std::vector<horizon_line> long_one{{"", steps}};
  const figure g = horizon_figure(long_one);
  const auto& band = std::get<pictures::band>(g.panels[0].marks[0]);
  const auto& median = std::get<pictures::curve>(g.panels[0].marks[2]);
  CHECK(median.name == "median of 4 tokens");
  CHECK(median.x[0] == 1.5);
  CHECK(median.y[0] == 5);
  CHECK(band.high[0] == 100);
  CHECK(band.low[0] == 5);
  CHECK(median.y[200] == 7);
  const auto& open = std::get<pictures::curve>(g.panels[0].marks[3]);
  REQUIRE_FALSE(open.x.empty());
  CHECK(open.x[0] >= 900);
  CHECK(open.y[0] == 1000 - open.x[0]);
}

TEST_CASE("figures: a quantile is a value of the list, NaN apart") {
  CHECK(coefdyn::spectrum::detail::quantile({5, 1, no_number, 3}, 0.5) == 3);
  CHECK(coefdyn::spectrum::detail::quantile({1, infinite}, 1) == infinite);
  CHECK(std::isnan(coefdyn::spectrum::detail::quantile({no_number}, 0.5)));
}
