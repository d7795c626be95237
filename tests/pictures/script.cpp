// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/pictures/bars.hpp>
#include <coefdyn/pictures/strips.hpp>

#include "figures.hpp"

namespace {
using namespace test_pictures;

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}
}  // namespace

TEST_CASE("pictures: lines keep every word and the width, and an equation stays whole") {
  const std::string text = "linear, gated_householder<>, beta, sqrt_dim; n = 64, T = 512, head 0 of layer3.safetensors";
  for (const double width : {3.0, 4.5, 8.0, 30.0}) {
    std::string all;
    for (const std::string& line : wrapped(text, 7, width)) {
      CHECK((text_width(line, 7) <= width || !holds(line, ", ")));
      CHECK_FALSE(line.ends_with("="));
      CHECK_FALSE(line.starts_with("="));
      all += (all.empty() ? "" : " ") + line;
    }
    CHECK(all == text);
  }
  CHECK(wrapped("", 7, 3).empty());
  CHECK(text_width("Λ", 7) == text_width("a", 7));  // one character of two bytes
}

TEST_CASE("pictures: ticks are round, ascend within the range, and a logarithmic axis has powers of ten") {
  const auto chosen = [](axis a, double low, double high, int count) {
    detail::choose(a, {low, high}, count);
    return a;
  };
  const axis plain = chosen({}, 0.03, 0.97, 5);
  CHECK(plain.low == 0);
  CHECK(plain.high == doctest::Approx(1));
  REQUIRE(plain.ticks.size() == 6);
  CHECK(plain.ticks[1].text == "0.2");
  const axis large = chosen({}, -1200, 3100, 4);
  CHECK(large.low == -2000);
  CHECK(large.high == 4000);
  const axis reversed = chosen({"", 255.5, -0.5}, 0, 1, 5);
  CHECK(reversed.low == 255.5);
  CHECK(reversed.ticks.front().at == 0);
  CHECK(reversed.ticks.back().at == 250);
  const axis one_value = chosen({}, 3, 3, 4);
  CHECK(one_value.low < 3);
  CHECK(one_value.high > 3);

  axis log;
  log.logarithmic = true, log.low = 1e-6, log.high = 10;
  std::string words;
  for (const tick& t : chosen(log, 1, 2, 8).ticks) words += t.text + (t.text.empty() ? "" : " ");
  CHECK(words == "10⁻⁶ 10⁻⁵ 10⁻⁴ 10⁻³ 0.01 0.1 1 10 ");
  log.low = 0.8, log.high = 24;
  words.clear();
  for (const tick& t : chosen(log, 1, 2, 4).ticks) words += t.text + (t.text.empty() ? "" : " ");
  CHECK(words == "1 2 5 10 20 ");
}

TEST_CASE("pictures: panels lie on the page and apart, for any number of them") {
  for (std::size_t count = 1; count <= 7; ++count)
    for (std::size_t across = 1; across <= 3; ++across)
      for (const bool shared : {false, true}) {
        figure f;
        f.title = "title", f.across = across, f.share_x = f.share_y = shared;
        panel p = grouped_bars("panel", {"a long category", "another category", "a third"}, {{"before", "#112233", {1, 2, 3}, {}}});
        p.x.label = "x", p.y.label = "y", p.height = 2;
        f.panels.assign(count, p);
        const detail::layout l = detail::laid_out(f);
        REQUIRE(l.panels.size() == count);
        for (std::size_t i = 0; i < count; ++i) {
          const auto& a = l.panels[i];
          CHECK(a.left > 0);
          CHECK(a.right < l.width);
          CHECK(a.right - a.left > 1);
          CHECK(a.bottom - a.top == doctest::Approx(2));
          CHECK(a.bottom + a.below < l.height);
          for (std::size_t j = 0; j < i; ++j) {
            const auto& b = l.panels[j];
            CHECK((a.left > b.right || b.left > a.right || a.top > b.bottom || b.top > a.bottom));
          }
        }
      }
}

TEST_CASE("pictures: the script has the data, the words and three outputs, and no folder") {
  const figure f = every_mark();
  const std::string script = script_of(f, "it's");
  CHECK(script == script_of(f, "it's"));
  CHECK(holds(script, "$p0m0 << EOD\n1 8\n2 NaN\n4 2\nEOD\n"));
  CHECK(holds(script, "$p0m1 << EOD\n1 1 9\n2 1 9\n4 1 9\nEOD\n"));
  CHECK(holds(script, "$p1m0 << EOD\n0.001 NaN\n0 -1\nEOD\n"));
  CHECK(holds(script, "$p2m0 << EOD\n0.25 -0.75 12.5\nEOD\n"));
  CHECK(holds(script, "$p3m0 << EOD\n-0.25 0.25 0 7\nEOD\n"));
  CHECK(holds(script, "$p3m1 << EOD\n0 7 1.5\nEOD\n"));
  CHECK(count_of(script, "'it''s gated_deltanet {1}'") == 3);
  CHECK(count_of(script, "'linear, gated_householder<>, beta, sqrt_dim; n = 64'") == 3);
  for (const char* output : {"set output 'it''s.png'", "set output 'it''s.svg'", "set output 'it''s.pdf'"})
    CHECK(count_of(script, output) == 1);
  CHECK(count_of(script, "size 8.5cm,") == 1);
  CHECK(count_of(script, "size 1004,") == 1);  // 300 dots per inch
  for (const char* words : {"'training'", "'spread'", "'before'", "'a remark'", "'loss'", "'step'"}) CHECK(count_of(script, words) == 3);
  CHECK(count_of(script, "$3==0?255:0") == 3);  // zeros have a colour of their own
  CHECK(count_of(script, "$3<0?255:0") == 3);   // what is no number too
  CHECK(count_of(script, "set colorbox horizontal") == 3);
  CHECK(count_of(script, "smallest = 0.01 ") == 3);  // below it cells keep the colour of the end
}

TEST_CASE("pictures: a grid of one row is drawn as two, and nothing at all is drawn as nothing") {
  figure f;
  f.scale = scale_of_shares("%");
  f.panels.push_back(strips({{"head 0", {0.1, 0.1, 0.6, 5}}, {"head 1", {}}}, 0, 1, 4));
  const std::string script = script_of(f, "s");
  CHECK(holds(script, "$p0m0 << EOD\n50 0 25 0\n50 0 25 0\nEOD\n"));
  CHECK(holds(script, "$p0m1 << EOD\n0 0 0 0\n0 0 0 0\nEOD\n"));
  figure empty;
  empty.panels.emplace_back();
  empty.panels[0].marks.emplace_back(curve{});
  CHECK(holds(script_of(empty, "e"), "plot NaN\n"));
}

TEST_CASE("pictures: bars stand beside each other, stacks end where they add up to") {
  const panel bars = grouped_bars("", {"a", "b"}, {{"x", "#111111", {1, 2}, {0, 0.5}}, {"y", "#222222", {3, 4}, {}}});
  const auto& x = std::get<boxes>(bars.marks[0]).at;
  const auto& y = std::get<boxes>(bars.marks[2]).at;
  CHECK(x[1].y1 == 2);
  CHECK(x[0].x1 <= y[0].x0);
  CHECK(y[0].x1 < x[1].x0);
  CHECK(x[0].x1 - x[0].x0 == doctest::Approx(y[1].x1 - y[1].x0));
  CHECK(std::get<deviations>(bars.marks[1]).deviation == std::vector<double>{0.5});  // a deviation of 0 has no caps
  CHECK(std::get<deviations>(bars.marks[3]).x.empty());

  const panel stacks = stacked_bars({{"a", {25, 0, 75}}, {"b", {10, 20, 30}}}, {{"p", "#111111"}, {"q", "#222222"}, {"r", "#333333"}});
  CHECK(std::get<boxes>(stacks.marks[1]).at.size() == 1);  // none of the first row's
  const auto& last = std::get<boxes>(stacks.marks[2]).at;
  CHECK(last[0].x0 == 25);
  CHECK(last[0].x1 == 100);
  CHECK(last[1].x0 == 30);
  CHECK(last[1].x1 == 60);
}

TEST_CASE("pictures: what cannot be a figure is refused") {
  CHECK_THROWS_WITH_AS(script_of({}, "x"), "figure: it should have a panel, but has none.", std::invalid_argument);
  figure f = every_mark();
  f.across = 40;
  CHECK_THROWS_WITH_AS(script_of(f, "x"), "figure: its width should hold 40 panels, but does not.", std::invalid_argument);
  f = every_mark();
  f.panels[1].marks = {raster{2, 3, {0, 1, 0, 1}, {1, 2}, ""}};
  CHECK_THROWS_WITH_AS(script_of(f, "x"), "raster: its values should be 6, but are 2.", std::invalid_argument);
}

TEST_CASE("pictures: kinds of numbers by their bits") {
  constexpr double huge = std::numeric_limits<double>::max(), infinite = std::numeric_limits<double>::infinity();
  for (const double x : {0.0, -0.0, 5e-324, -huge, huge}) CHECK((is_finite(x) && !is_infinite(x) && !is_nan(x)));
  for (const double x : {infinite, -infinite}) CHECK((!is_finite(x) && is_infinite(x) && !is_nan(x)));
  for (const double x : {unset, -unset}) CHECK((!is_finite(x) && !is_infinite(x) && is_nan(x)));
}
