// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "subject.hpp"

/// The one table of tolerances. Metric: max |x - reference| / max |reference| over a tensor.
namespace coefdyn::laws {

enum class pass {
  forward,    // outputs and states of ordinary problems, up to T = 65
  stress,     // the stress grid at T <= 65
  long_range  // T = 4096
};

struct tolerance_row {
  scalar_kind accumulate;
  pass what;
  double limit;
};
constexpr tolerance_row tolerance_table[] = {
    {scalar_kind::float64, pass::forward, 1e-12},    {scalar_kind::float64, pass::stress, 1e-11},
    {scalar_kind::float64, pass::long_range, 1e-10}, {scalar_kind::float32, pass::forward, 2e-5},
    {scalar_kind::float32, pass::stress, 1e-3},      {scalar_kind::float32, pass::long_range, 1e-3},
    {scalar_kind::dual64, pass::forward, 1e-12},
};
inline double tolerance(const subject& s, pass what) {
  for (const tolerance_row& row : tolerance_table)
    if (row.accumulate == s.accumulate && row.what == what) return row.limit;
  return 0;
}

/// Infinite where one is not finite or the sizes differ; 0 for two empty ones. A reference below `unit` counts as that.
inline double relative_error(const std::vector<double>& x, const std::vector<double>& reference, double unit = 0) {
  if (x.size() != reference.size()) return math::infinity<double>();
  double worst = 0, largest = unit;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double gap = std::abs(x[i] - reference[i]);
    if (!math::is_finite(gap)) return math::infinity<double>();
    worst = std::max(worst, gap);
    largest = std::max(largest, std::abs(reference[i]));
  }
  return largest > 0 ? worst / largest : worst;
}
inline bool all_finite(const std::vector<double>& x) {
  return std::all_of(x.begin(), x.end(), [](double v) { return math::is_finite(v); });
}
inline bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}
inline bool same_bits(const state_numbers& a, const state_numbers& b) {
  return same_bits(a.S, b.S) && same_bits(a.z, b.z) && same_bits(a.m, b.m) && a.position == b.position;
}
/// Of S and z, both brought to the reference's running maximum; positions have to agree. A correction may annihilate what that
/// maximum was set by: there e^m, the largest write, is the unit.
inline double state_error(const mixer_info& m, const state_numbers& x, const state_numbers& reference) {
  if (x.position != reference.position || x.m.size() != reference.m.size()) return math::infinity<double>();
  const auto scaled = [&](std::vector<double> v) {
    if (m.stabilised)
      for (std::size_t i = 0; i < v.size(); ++i) {
        const std::size_t head = i / (v.size() / x.m.size());
        if (v[i] != 0) v[i] *= std::exp(x.m[head] - reference.m[head]);  // nothing is nothing in any scale
      }
    return v;
  };
  const double unit = m.stabilised && m.corrects() ? 1 : 0;
  return std::max(relative_error(scaled(x.S), reference.S, unit), relative_error(scaled(x.z), reference.z, unit));
}

}  // namespace coefdyn::laws
