// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>
#include <variant>

#include "figure.hpp"
#include "number.hpp"
#include "text.hpp"

/// Ranges and ticks of axes, from what the marks hold.
namespace coefdyn::pictures::detail {

struct span_of {
  double low = std::numeric_limits<double>::max(), high = std::numeric_limits<double>::lowest();  // nothing yet
  bool positive = false;  // a logarithmic axis: the others do not show
  void take(double x) {
    if (!is_finite(x) || (positive && x <= 0)) return;
    low = std::fmin(low, x), high = std::fmax(high, x);
  }
  void take(const std::vector<double>& values) {
    for (const double x : values) take(x);
  }
};

inline void extend(span_of& x, span_of& y, const mark& drawn) {
  const auto corners = [&](const box& b) { x.take(b.x0), x.take(b.x1), y.take(b.y0), y.take(b.y1); };
  std::visit(
      [&](const auto& m) {
        using M = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<M, boxes>) {
          for (const box& b : m.at) corners(b);
        } else if constexpr (std::is_same_v<M, raster>) {
          corners(m.at);
        } else if constexpr (std::is_same_v<M, band>) {
          x.take(m.x), y.take(m.low), y.take(m.high);
        } else {
          x.take(m.x), y.take(m.y);
          if constexpr (std::is_same_v<M, deviations>)
            for (std::size_t i = 0; i < m.y.size() && i < m.deviation.size(); ++i)
              y.take(m.y[i] - m.deviation[i]), y.take(m.y[i] + m.deviation[i]);
        }
      },
      drawn);
}

/// 1, 2 or 5 times a power of ten: about `count` of them in the range.
inline double round_step(double range, int count) {
  const double rough = range / count, power = std::pow(10.0, std::floor(std::log10(rough)));
  return power * (rough < 1.5 * power ? 1 : rough < 3.5 * power ? 2 : rough < 7.5 * power ? 5 : 10);
}

inline void choose_linear(axis& a, const span_of& data, int count) {
  double low = is_nan(a.low) ? data.low : a.low, high = is_nan(a.high) ? data.high : a.high;
  if (!(std::abs(high - low) > 0)) low -= 0.5, high += 0.5;
  double step = round_step(std::abs(high - low), count);
  const auto ticks = [&] { return std::floor(std::fmax(low, high) / step + 1e-9) - std::ceil(std::fmin(low, high) / step - 1e-9) + 1; };
  for (int more = count + 1; ticks() < 3 && more < 4 * count; ++more) step = round_step(std::abs(high - low), more);
  a.low = is_nan(a.low) ? std::floor(low / step + 1e-9) * step : low;
  a.high = is_nan(a.high) ? std::ceil(high / step - 1e-9) * step : high;
  if (!a.ticks.empty()) return;
  const double first = std::fmin(a.low, a.high), last = std::fmax(a.low, a.high);
  for (double i = std::ceil(first / step - 1e-9); i <= last / step + 1e-9; ++i)
    a.ticks.push_back({i * step + 0.0, number_text(i * step + 0.0)});
}

/// Ticks at powers of ten with words, at their multiples without; over less than two powers 2 and 5 have words too.
inline void choose_logarithmic(axis& a, const span_of& data, int count) {
  double low = is_nan(a.low) ? data.low : a.low, high = is_nan(a.high) ? data.high : a.high;
  if (!(low > 0)) low = high > 0 ? high / 10 : 0.1;
  if (!(high > low)) high = low * 10;
  a.low = is_nan(a.low) ? low / 1.1 : low;
  a.high = is_nan(a.high) ? high * 1.1 : high;
  if (!a.ticks.empty()) return;
  const int first = static_cast<int>(std::floor(std::log10(a.low))), last = static_cast<int>(std::floor(std::log10(a.high) + 1e-9));
  const bool few = std::log10(a.high / a.low) < 2;
  const int every = std::max(1, (last - first + count) / (count + 1));
  for (int e = first; e <= last; ++e)
    for (int digit = 1; digit < 10; ++digit) {
      const double at = digit * std::pow(10.0, e);
      if (at < a.low * (1 - 1e-9) || at > a.high * (1 + 1e-9) || (digit > 1 && every > 1)) continue;
      const bool worded = digit == 1 ? e % every == 0 : few && (digit == 2 || digit == 5);
      a.ticks.push_back({at, !worded ? "" : digit == 1 ? power_of_ten(e) : number_text(at)});
    }
}

inline void choose(axis& a, const span_of& data, int count) {
  span_of seen = data;
  if (seen.low > seen.high) seen.low = a.logarithmic ? 0.1 : 0, seen.high = 1;  // nothing to show
  if (a.logarithmic) choose_logarithmic(a, seen, count);
  else choose_linear(a, seen, count);
}

/// Both axes with ranges and ticks; about so many ticks.
inline void choose_axes(panel& p, int count_x, int count_y) {
  span_of x, y;
  x.positive = p.x.logarithmic, y.positive = p.y.logarithmic;
  for (const mark& m : p.marks) extend(x, y, m);
  choose(p.x, x, count_x);
  choose(p.y, y, count_y);
}

}  // namespace coefdyn::pictures::detail
