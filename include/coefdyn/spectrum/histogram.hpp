// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "../core/math.hpp"

namespace coefdyn::spectrum {

/// Bins of |Lambda| and of its phase, as the tables of arXiv:2510.09379 have them.
inline constexpr std::array<double, 8> radius_edges{0, 0.1, 0.5, 0.9, 1, 10, 100, std::numeric_limits<double>::infinity()};
/// Edges of the phase's bins, in degrees.
inline constexpr std::array<double, 6> phase_edges{0, 1, 10, 45, 90, 180};  // degrees

/// A value this near to an edge, relative to max(1, |edge|), lies on it.
template <class R>
inline constexpr double edge_snap = sizeof(R) >= sizeof(double) ? 1e-12 : 1e-6;

/// The angle of x from the positive real axis in degrees, in [0, 180]; 0 for 0.
COEFDYN_HD inline double phase_of(double re, double im) {
  if (re == 0 && im == 0) return 0;
  return math::abs(::atan2(im, re)) * (180 / std::numbers::pi);
}
/// The same of a complex number.
inline double phase_of(std::complex<double> x) { return phase_of(x.real(), x.imag()); }

/// How a value on an edge counts. `partition`: bins (lower, upper], the first closed, edges snapped, so that every value
/// counts once. `twice_on_edges`: as the published script does: closed on both sides, the last open below, no snapping;
/// its percentages can add up to more than 100.
enum class edge_rule { partition, twice_on_edges };

/// Counters of a histogram that stand behind its bins: values counted, below the first edge, above the last, entries without a
/// ratio, values that are no number.
enum class beside_bins { total, below, above, excluded, not_a_number };
/// How many counters stand behind the bins.
inline constexpr int counters_beside_bins = 5;

/// Which counters a value moves.
struct binning {
  const double* edges;  // bins + 1, ascending
  int bins;
  double snap;
  edge_rule rule;

  COEFDYN_HD int at(beside_bins counter) const { return bins + static_cast<int>(counter); }
  COEFDYN_HD int counters() const { return bins + counters_beside_bins; }
  /// Calls count(counter) for each.
  template <class Count>
  COEFDYN_HD void operator()(double value, Count count) const {
    if (math::is_nan(value)) return count(at(beside_bins::not_a_number));
    count(at(beside_bins::total));
    if (rule == edge_rule::partition)
      for (int i = 0; i <= bins; ++i)
        if (math::is_finite(edges[i]) && math::abs(value - edges[i]) <= snap * math::max(1.0, math::abs(edges[i]))) value = edges[i];
    if (value < edges[0]) count(at(beside_bins::below));
    if (value > edges[bins]) count(at(beside_bins::above));
    for (int bin = 0; bin < bins; ++bin)
      if (holds(bin, value)) count(bin);
  }

 private:
  COEFDYN_HD bool holds(int bin, double value) const {
    const double lower = edges[bin], upper = edges[bin + 1];
    const bool twice = rule == edge_rule::twice_on_edges;
    return value <= upper && (value > lower || (value == lower && (twice ? bin + 1 < bins : bin == 0)));
  }
};

/// Counts values in bins, one at a time.
///
/// range   edges strictly ascending, two at least, the outer ones may be infinite; values finite or infinite
/// error   std::invalid_argument for edges that do not ascend, and for NaN
class histogram {
 public:
  explicit histogram(std::span<const double> edges, double snap = edge_snap<double>, edge_rule rule = edge_rule::partition)
      : edges_(edges.begin(), edges.end()), snap_(snap), rule_(rule) {
    if (edges_.size() < 2)
      COEFDYN_THROW std::invalid_argument("histogram: edges should hold two numbers at least, but hold " + std::to_string(edges_.size()) +
                                          ".");
    for (std::size_t i = 1; i < edges_.size(); ++i)
      if (!(edges_[i - 1] < edges_[i]))
        COEFDYN_THROW std::invalid_argument("histogram: edges should ascend, but edges[" + std::to_string(i - 1) +
                                            "] = " + std::to_string(edges_[i - 1]) + " and edges[" + std::to_string(i) +
                                            "] = " + std::to_string(edges_[i]) + ".");
    counters_.assign(static_cast<std::size_t>(bins().counters()), 0);
  }

  void add(double value) {
    if (math::is_nan(value))
      COEFDYN_THROW std::invalid_argument("histogram: value " + std::to_string(total()) + " should be a number, but is nan.");
    bins()(value, [&](int counter) { ++counters_[static_cast<std::size_t>(counter)]; });
  }
  /// Adds what the device counted with these bins: the bins, then beside_bins.
  void add_counted(std::span<const std::uint64_t> counted) {
    if (counted.size() != counters_.size())
      COEFDYN_THROW std::invalid_argument("histogram: " + std::to_string(counters_.size()) + " counters should be added, but these are " +
                                          std::to_string(counted.size()) + ".");
    if (counted.back() > 0)
      COEFDYN_THROW std::invalid_argument("histogram: values should be numbers, but " + std::to_string(counted.back()) + " are nan.");
    for (std::size_t i = 0; i < counted.size(); ++i) counters_[i] += counted[i];
  }

  /// An entry without a ratio eta_{i-1} / eta_i, whose row has no weight: counted apart, in no percentage.
  void exclude() { ++counters_[static_cast<std::size_t>(bins().at(beside_bins::excluded))]; }

  binning bins() const { return {edges_.data(), static_cast<int>(edges_.size()) - 1, snap_, rule_}; }
  std::span<const double> edges() const { return edges_; }
  std::span<const std::uint64_t> counts() const { return {counters_.data(), edges_.size() - 1}; }
  std::uint64_t total() const { return counter(beside_bins::total); }
  std::uint64_t below() const { return counter(beside_bins::below); }  // the first edge
  std::uint64_t above() const { return counter(beside_bins::above); }  // the last edge
  std::uint64_t excluded() const { return counter(beside_bins::excluded); }

  /// Of all values counted; with those below and above, 100. All 0 if none was.
  std::vector<double> percentages() const {
    std::vector<double> out;
    for (const std::uint64_t count : counts()) out.push_back(share(count));
    return out;
  }
  double share(std::uint64_t count) const { return total() == 0 ? 0.0 : 100.0 * static_cast<double>(count) / static_cast<double>(total()); }

 private:
  std::uint64_t counter(beside_bins which) const { return counters_[static_cast<std::size_t>(bins().at(which))]; }

  std::vector<double> edges_;
  std::vector<std::uint64_t> counters_;  // the bins, then beside_bins
  double snap_;
  edge_rule rule_;
};

/// Radius and phase of eigenvalues in the whole plane.
struct spectrum_histogram {
  histogram radius{radius_edges};
  histogram phase{phase_edges};

  void add(std::complex<double> x) {
    radius.add(std::hypot(x.real(), x.imag()));
    phase.add(phase_of(x));
  }
  void exclude() {
    radius.exclude();
    phase.exclude();
  }
};

/// Mean and standard deviation of each bin's percentage over sequences, one histogram per sequence. Histograms without
/// a value are passed over.
///
/// source  Welford, Technometrics 4 (1962)
class histogram_over_sequences {
 public:
  void add(const histogram& sequence) {
    if (sequence.total() == 0) {
      ++empty_;
      return;
    }
    const std::vector<double> percentage = sequence.percentages();
    if (sequences_ == 0) {
      mean_.assign(percentage.size(), 0);
      squares_.assign(percentage.size(), 0);
    }
    if (percentage.size() != mean_.size())
      COEFDYN_THROW std::invalid_argument("histogram_over_sequences: sequence " + std::to_string(sequences_) + " should have " +
                                          std::to_string(mean_.size()) + " bins, but has " + std::to_string(percentage.size()) + ".");
    ++sequences_;
    for (std::size_t bin = 0; bin < mean_.size(); ++bin) {
      const double change = percentage[bin] - mean_[bin];
      mean_[bin] += change / static_cast<double>(sequences_);
      squares_[bin] += change * (percentage[bin] - mean_[bin]);
    }
  }

  std::size_t sequences() const { return sequences_; }
  std::size_t empty() const { return empty_; }
  const std::vector<double>& mean() const { return mean_; }

  /// Divided by the number of sequences, or by one less for `sample`; 0 where that is 0.
  std::vector<double> deviation(bool sample = false) const {
    const std::size_t freedom = sample && sequences_ > 0 ? sequences_ - 1 : sequences_;
    std::vector<double> out(mean_.size(), 0);
    for (std::size_t bin = 0; bin < out.size() && freedom > 0; ++bin) out[bin] = std::sqrt(squares_[bin] / static_cast<double>(freedom));
    return out;
  }

 private:
  std::size_t sequences_ = 0, empty_ = 0;
  std::vector<double> mean_, squares_;
};

}  // namespace coefdyn::spectrum
