// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/spectrum/histogram.hpp>
#include <numeric>
#include <random>

namespace {
using namespace coefdyn::spectrum;
using counts = std::vector<std::uint64_t>;

counts counted(const histogram& h) { return {h.counts().begin(), h.counts().end()}; }

double sum_of(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }
}  // namespace

TEST_CASE("histogram: half-open bins, the first closed, the last unbounded") {
  histogram h(radius_edges);
  for (const double x : {0.0, 0.1, 0.5, 0.9, 1.0, 10.0, 100.0}) h.add(x);  // each edge belongs to the bin below it
  CHECK(counted(h) == counts{2, 1, 1, 1, 1, 1, 0});
  for (const double x : {0.05, 0.2, 0.7, 0.95, 2.0, 50.0, 1e300, std::numeric_limits<double>::infinity()}) h.add(x);
  CHECK(counted(h) == counts{3, 2, 2, 2, 2, 2, 2});
  CHECK(sum_of(h.percentages()) == doctest::Approx(100).epsilon(1e-14));
  CHECK(h.percentages()[0] == doctest::Approx(20));
}

TEST_CASE("histogram: a value within the snap of an edge lies on it, one further off does not") {
  histogram fine(radius_edges), coarse(radius_edges, edge_snap<float>);
  for (histogram* h : {&fine, &coarse})
    for (const double x : {1 + 1e-13, 1 + 1e-11, 1 + 1e-5, 100 * (1 + 0.9e-12), 0.5 + 0.9e-12}) h->add(x);
  CHECK(counted(fine) == counts{0, 1, 0, 1, 2, 1, 0});
  CHECK(counted(coarse) == counts{0, 1, 0, 2, 1, 1, 0});
}

TEST_CASE("histogram: phases in degrees over the whole plane") {
  CHECK(phase_of(0.0) == 0);
  CHECK(phase_of({-0.0, 0.0}) == 0);
  CHECK(phase_of(-3.0) == 180);
  CHECK(phase_of({0, -2}) == 90);
  CHECK(phase_of({1, -1}) == doctest::Approx(45));
  spectrum_histogram h;
  h.add(1);         // radius (0.9, 1], phase [0, 1]
  h.add(-1);        // radius (0.9, 1], phase (90, 180]
  h.add({0, 0.5});  // radius (0.1, 0.5], phase (45, 90]
  h.add(0);
  h.add({3, 3});  // radius (1, 10], phase (10, 45]
  CHECK(counted(h.radius) == counts{1, 1, 0, 2, 1, 0, 0});
  CHECK(counted(h.phase) == counts{2, 0, 1, 1, 1});
}

TEST_CASE("histogram: percentages add up to 100 on the line, below and above included") {
  std::mt19937 engine(2);
  std::normal_distribution<double> normal;
  const double inf = std::numeric_limits<double>::infinity();
  histogram whole(std::vector<double>{-inf, -1, 0, 1, inf}), part(std::vector<double>{-0.5, 0.5});
  for (int i = 0; i < 1000; ++i) {
    const double x = i % 100 == 0 ? double(i % 3 - 1) : normal(engine);
    whole.add(x);
    part.add(x);
  }
  whole.add(-inf);
  CHECK(sum_of(whole.percentages()) == doctest::Approx(100).epsilon(1e-14));
  CHECK(whole.counts()[0] > 0);
  CHECK(part.below() + part.above() + part.counts()[0] == 1000);
  CHECK(part.below() > 100);
  CHECK(sum_of(part.percentages()) + part.share(part.below()) + part.share(part.above()) == doctest::Approx(100).epsilon(1e-14));
}

TEST_CASE("histogram: excluded entries stand apart, and an empty one has no percentages") {
  histogram h(radius_edges);
  CHECK(sum_of(h.percentages()) == 0);
  h.exclude();
  h.add(0.5);
  CHECK(h.excluded() == 1);
  CHECK(h.total() == 1);
  CHECK(h.percentages()[1] == 100);
}

TEST_CASE("histogram: the published rule counts edges twice and does not snap") {
  histogram h(radius_edges, 1e-12, edge_rule::twice_on_edges);
  for (const double x : {1.0, 1 + 1e-13, 0.5, 100.0, 101.0}) h.add(x);
  CHECK(counted(h) == counts{0, 1, 1, 1, 2, 1, 1});  // 1 in both its bins, 100 in one: the last bin is open below
  CHECK(sum_of(h.percentages()) == doctest::Approx(140));
}

TEST_CASE("histogram: mean and deviation over sequences") {
  histogram_over_sequences all;
  const std::vector<double> edges{0, 1, 2};
  const std::vector<std::vector<double>> sequences{{0.5, 0.5, 1.5, 1.5}, {0.5, 1.5, 1.5, 1.5}, {0.5}, {}};
  for (const auto& values : sequences) {
    histogram h(edges);
    for (const double x : values) h.add(x);
    all.add(h);
  }
  CHECK(all.sequences() == 3);
  CHECK(all.empty() == 1);
  const double mean = (50.0 + 25.0 + 100.0) / 3;
  CHECK(all.mean()[0] == doctest::Approx(mean));
  CHECK(all.mean()[1] == doctest::Approx(100 - mean));
  const double squares = std::pow(50 - mean, 2) + std::pow(25 - mean, 2) + std::pow(100 - mean, 2);
  CHECK(all.deviation()[0] == doctest::Approx(std::sqrt(squares / 3)));
  CHECK(all.deviation(true)[0] == doctest::Approx(std::sqrt(squares / 2)));
  CHECK_THROWS_WITH_AS(all.add([] {
    histogram h(radius_edges);
    h.add(1);
    return h;
  }()),
                       "histogram_over_sequences: sequence 3 should have 2 bins, but has 7.", std::invalid_argument);
}

TEST_CASE("histogram: counters made elsewhere are added as they stand, other numbers of them and NaN are refused") {
  histogram all(radius_edges), h(radius_edges);
  h.add(0.7);
  counts row(radius_edges.size() - 1 + 5, 0);  // bins, then total, below, above, excluded, not a number
  row[1] = 3, row[7] = 4, row[8] = 1;
  h.add_counted(row);
  CHECK(counted(h) == counts{0, 3, 1, 0, 0, 0, 0});
  CHECK(h.total() == 5);
  CHECK(h.below() == 1);
  row.back() = 1;
  CHECK_THROWS_AS(all.add_counted(row), std::invalid_argument);
  row.pop_back();
  CHECK_THROWS_AS(all.add_counted(row), std::invalid_argument);
  CHECK(all.total() == 0);
}

TEST_CASE("histogram: NaN and edges that do not ascend are refused") {
  histogram h(radius_edges);
  h.add(1);
  CHECK_THROWS_WITH_AS(h.add(std::nan("")), "histogram: value 1 should be a number, but is nan.", std::invalid_argument);
  CHECK(h.total() == 1);
  CHECK_THROWS_AS(histogram(std::vector<double>{0, 1, 1}), std::invalid_argument);
  CHECK_THROWS_AS(histogram(std::vector<double>{0}), std::invalid_argument);
}
