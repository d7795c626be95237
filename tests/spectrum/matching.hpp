// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <limits>
#include <tuple>
#include <vector>

/// Pairs two multisets of eigenvalues, nearest first, and returns the largest |found - expected| / condition.
inline double worst_match(const std::vector<std::complex<double>>& found, const std::vector<std::complex<double>>& expected,
                          const std::vector<double>& condition = {}) {
  if (found.size() != expected.size()) return std::numeric_limits<double>::infinity();
  const std::size_t n = found.size();
  std::vector<std::tuple<double, std::size_t, std::size_t>> pairs;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      const double gap = std::abs(found[i] - expected[j]);
      if (!std::isfinite(gap)) return std::numeric_limits<double>::infinity();
      pairs.emplace_back(gap, i, j);
    }
  std::sort(pairs.begin(), pairs.end());
  std::vector<bool> used_found(n), used_expected(n);
  double worst = 0;
  for (const auto& [gap, i, j] : pairs) {
    if (used_found[i] || used_expected[j]) continue;
    used_found[i] = used_expected[j] = true;
    worst = std::max(worst, gap / (condition.empty() ? 1.0 : condition[j]));
  }
  return worst;
}
