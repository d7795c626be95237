// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/tasks/compression.hpp>
#include <coefdyn/tasks/fuzzy_in_context_recall.hpp>
#include <coefdyn/tasks/in_context_recall.hpp>
#include <coefdyn/tasks/listops.hpp>
#include <coefdyn/tasks/memorization.hpp>
#include <coefdyn/tasks/mqar.hpp>
#include <coefdyn/tasks/noisy_in_context_recall.hpp>
#include <coefdyn/tasks/selective_copying.hpp>
#include <map>

/// What the published tasks count and how well guessing does, over 2000 samples of the split that tests.
namespace {

using namespace coefdyn;
using namespace coefdyn::tasks;
constexpr idx samples = 2000;

/// Mean and its standard error of one number a sample.
struct mean_of {
  double sum = 0, squares = 0;
  void add(double x) { sum += x, squares += x * x; }
  double mean() const { return sum / double(samples); }
  double error() const { return std::sqrt(std::max(0.0, squares / double(samples) - mean() * mean()) / double(samples)); }
};
/// `scored` positions a sample, and each of the values of [first, first + values) as often as the others, within 5 standard errors; all
/// other targets number `others` a sample.
template <task T>
void expect_statistics(const T& t, double scored, double rounding, std::int64_t first, idx values, double others = 0) {
  mean_of counted, elsewhere;
  std::map<std::int64_t, mean_of> by_value;
  for (idx i = 0; i < samples; ++i) {
    std::map<std::int64_t, idx> seen;
    idx n = 0, outside = 0;
    for (const std::int64_t target : t.make(split::test, i).targets) {
      if (target == ignored) continue;
      ++n;
      if (target >= first && target < first + values) ++seen[target];
      else ++outside;
    }
    counted.add(double(n)), elsewhere.add(double(outside));
    for (const auto& [value, times] : seen) by_value[value].add(double(times));
  }
  CAPTURE(T::name);
  CAPTURE(counted.mean());
  CHECK(std::abs(counted.mean() - scored) <= rounding + 4 * counted.error());
  CHECK(elsewhere.mean() == others);
  CHECK(std::ssize(by_value) == values);
  const double expected = (counted.mean() - others) / double(values);
  for (const auto& [value, times] : by_value) {
    CAPTURE(value);
    CHECK(std::abs(times.mean() - expected) <= 5 * times.error());
  }
}

}  // namespace

TEST_CASE("scored positions and chance levels of the published tasks") {
  expect_statistics(in_context_recall({.test = samples}), 56.0, 0.05, 8, 8);
  expect_statistics(noisy_in_context_recall({.test = samples}), 43.5, 0.05, 8, 8);
  expect_statistics(fuzzy_in_context_recall({.test = samples}), 4.5, 0.05, 7, 8);
  expect_statistics(selective_copying({.test = samples}), 16, 0, 0, 14);
  expect_statistics(compression({.test = samples}), 32, 0, 0, 15, 1);
  expect_statistics(mqar({.test = samples}), 64, 0, 4096, 4096);
}
TEST_CASE("memorization: 127 values are equally frequent, one of 128 is unused") {
  const memorization t({.test = samples});
  std::map<std::int64_t, double> times;
  for (idx i = 0; i < samples; ++i)
    for (const std::int64_t target : t.make(split::test, i).targets)
      if (target != ignored) ++times[target];
  CHECK(times.size() == 127);
  const double expected = double(samples) * 16 / 127;
  for (const auto& [value, n] : times) {
    CHECK((value >= 127 && value < 255));
    CHECK(std::abs(n - expected) < 5 * std::sqrt(expected));
  }
}
TEST_CASE("ListOps: lengths, labels and the evaluator") {
  const listops t;
  mean_of length;
  std::map<std::int64_t, double> times;
  bool agrees = true, within = true;
  for (idx i = 0; i < samples; ++i) {
    const sample x = t.make(split::test, i);
    const idx n = std::ssize(x.inputs) - 1;
    within = within && n > 500 && n < 2000 && x.inputs.back() == listops_token::end_of_text;
    length.add(double(n));
    ++times[x.targets.front()];
    agrees = agrees && listops_value(x.inputs) == x.targets.front() &&
             listops_tokens(listops_text(std::span(x.inputs).first(std::size_t(n)))) == token_list(x.inputs.begin(), x.inputs.end() - 1);
  }
  CHECK(within);
  CHECK(agrees);
  CHECK(std::abs(length.mean() - 1050) < 25);
  for (int label = 0; label < 10; ++label) {
    const bool extreme = label == 0 || label == 9;
    const double share = times[label] / double(samples);
    CAPTURE(label);
    CAPTURE(share);
    CHECK(share > (extreme ? 0.17 : 0.07) - 0.005 - 4 * std::sqrt(0.17 * 0.83 / double(samples)));
    CHECK(share < (extreme ? 0.17 : 0.09) + 0.005 + 4 * std::sqrt(0.17 * 0.83 / double(samples)));
  }
}
