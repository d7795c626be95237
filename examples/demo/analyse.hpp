// SPDX-License-Identifier: MIT
#pragma once
#include "coefdyn/spectrum/coefficients.hpp"
#include "coefdyn/spectrum/eigenvalues.hpp"
#include "mixers.hpp"
#include "report.hpp"

/// Coefficients and spectra of the first tokens of the first row, first head.
namespace demo {

template <class Entry>
void analyse_as(report& r, const corpus& text) {
  using streams = typename Entry::streams;
  const streams s(text, 0, 1, mapped);
  coefdyn::spectrum::coefficients alpha(s.x);
  r.alpha.assign(std::size_t(mapped) * mapped, 0);
  std::size_t small = 0, count = 0;
  alpha.rows(
      0, 0,
      [&](idx i, std::span<const double> row) {
        for (std::size_t j = 0; j < row.size(); ++j, ++count) {
          small += std::abs(row[j]) <= 1e-3;
          double& cell = r.alpha[std::size_t(i) * mapped + j / streams::writes];
          cell = std::fmax(cell, std::abs(row[j]));
        }
      },
      mapped);
  r.near_zero = 100 * double(small) / double(count);
  const auto paths = coefdyn::spectrum::eigenvalues(s.x, [&](const coefdyn::spectrum::token_spectrum& t) {
    if (t.reader == 0) r.eigenvalues.insert(r.eigenvalues.end(), t.values.begin(), t.values.end());
  });
  r.is_degree_one_part = paths.is_degree_one_part;
}

template <class... Entry>
void analyse_one_of(coefdyn::list<Entry...>, report& r, const corpus& text) {
  ((r.name == Entry::name ? analyse_as<Entry>(r, text) : void()), ...);
}

}  // namespace demo
