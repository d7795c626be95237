// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/text/sampling.hpp>

#include "support.hpp"

namespace {
using namespace coefdyn;
using namespace text_tests;
using text::sampler;

std::vector<float> random_logits(std::uint64_t seed, std::size_t count) {
  random_stream r(seed, 5, 0, 0);
  std::vector<float> out(count);
  for (float& x : out) x = static_cast<float>(std::floor(r.uniform(-4, 4) * 8) / 8);  // with equals among them
  return out;
}
/// Probabilities by the definition: a token is kept if fewer than k come before it, and those before it have less than p of the kept sum.
std::vector<double> defined(const std::vector<float>& logits, const text::sampling& how) {
  const std::size_t count = logits.size();
  std::vector<double> p(count);
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += p[i] = std::exp(double(logits[i]) / how.temperature);
  for (double& x : p) x /= sum;
  const auto earlier = [&](std::size_t j, std::size_t i) { return logits[j] > logits[i] || (logits[j] == logits[i] && j < i); };
  const auto keep = [&](auto holds) {
    std::vector<double> next(count, 0);
    double kept = 0;
    for (std::size_t i = 0; i < count; ++i) {
      std::int64_t before = 0;
      double share = 0;
      for (std::size_t j = 0; j < count; ++j)
        if (earlier(j, i)) ++before, share += p[j];
      if (holds(before, share)) kept += next[i] = p[i];
    }
    for (double& x : next) x /= kept;
    p = next;
  };
  if (how.top_k > 0) keep([&](std::int64_t before, double) { return before < how.top_k; });
  if (how.top_p < 1) keep([&](std::int64_t, double share) { return share < how.top_p; });
  return p;
}
}  // namespace

TEST_CASE("sampling: probabilities are those of the definition") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed)
    for (const text::sampling how :
         {text::sampling{}, text::sampling{.temperature = 0.3}, text::sampling{.top_k = 5}, text::sampling{.temperature = 2, .top_p = 0.6},
          text::sampling{.top_k = 7, .top_p = 0.37}, text::sampling{.top_k = 1000, .top_p = 0.999}, text::sampling{.top_p = 1e-9}}) {
      const auto logits = random_logits(seed, 3 + seed % 29);
      const auto expected = defined(logits, how);
      std::vector<double> given(logits.size(), 0);
      double last = 2;
      for (const auto& c : sampler(how).distribution(logits)) {
        CHECK(c.probability <= last + 1e-15);
        given[std::size_t(c.token)] = last = c.probability;
      }
      for (std::size_t i = 0; i < logits.size(); ++i) CHECK(given[i] == doctest::Approx(expected[i]).epsilon(1e-12));
    }
}
TEST_CASE("sampling: draws go by the probabilities, are functions of seed and index, and the temperature 0 is the largest") {
  const auto logits = random_logits(3, 9);
  const text::sampling how{.temperature = 1.5, .top_k = 6, .seed = 11};
  const sampler draw(how);
  const auto expected = defined(logits, how);
  std::vector<double> seen(logits.size(), 0);
  constexpr int draws = 40000;
  for (int i = 0; i < draws; ++i) seen[std::size_t(draw(logits, std::uint64_t(i)))] += 1.0 / draws;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    CHECK(std::abs(seen[i] - expected[i]) < 5 * std::sqrt(expected[i] / draws) + 1e-9);
    if (expected[i] == 0) CHECK(seen[i] == 0);
  }
  int other_seed = 0, other_index = 0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    CHECK(draw(logits, i) == sampler(how)(logits, i));
    other_seed += draw(logits, i) != sampler({.temperature = 1.5, .top_k = 6, .seed = 12})(logits, i);
    other_index += draw(logits, i) != draw(logits, i + 1);
  }
  CHECK((other_seed > 50 && other_index > 50));
  const std::vector<float> equal{1, 3, 3, -INFINITY};
  CHECK(sampler({.temperature = 0})(equal, 5) == 1);
  CHECK(sampler({.top_k = 1})(equal, 5) == 1);
  for (std::uint64_t i = 0; i < 100; ++i) CHECK(sampler({.temperature = 100})(equal, i) != 3);
}
TEST_CASE("sampling: what is out of range is refused") {
  const auto fault = [](const text::sampling& how, std::vector<float> logits) { return fault_of([&] { sampler{how}(logits, 0); }); };
  CHECK(fault({}, {1, 2}).empty());
  CHECK(fault({.temperature = -1}, {1}).find("temperature") != std::string::npos);
  CHECK(fault({.temperature = NAN}, {1}).find("temperature") != std::string::npos);
  CHECK(fault({.top_k = -1}, {1}).find("top_k") != std::string::npos);
  CHECK(fault({.top_p = 0}, {1}).find("top_p") != std::string::npos);
  CHECK(fault({.top_p = 1.5}, {1}).find("top_p") != std::string::npos);
  CHECK(fault({}, {1, NAN}).find("at token 1") != std::string::npos);
  CHECK(fault({}, {INFINITY}).find("finite or -inf") != std::string::npos);
  CHECK(fault({}, {-INFINITY, -INFINITY}).find("at least one finite number") != std::string::npos);
  CHECK(fault({}, {}).find("0 numbers") != std::string::npos);
}
