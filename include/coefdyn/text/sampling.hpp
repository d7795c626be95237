// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "../core/errors.hpp"
#include "../core/random.hpp"

namespace coefdyn::text {

/// How the next token is drawn from logits.
struct sampling {
  double temperature = 1;  // logits are divided by it; 0: the largest logit's token
  std::int64_t top_k = 0;  // the k most probable tokens alone; 0: all
  double top_p = 1;        // then the fewest of them, most probable first, that have this share of their sum
  std::uint64_t seed = 0;
};

/// A token with its probability.
struct candidate {
  std::int64_t token;
  double probability;
};

/// Draws tokens: the i-th draw is a function of logits, settings and i alone.
///
/// ```cpp statements
/// const text::sampler draw({.temperature = 0.8, .top_k = 40, .top_p = 0.95, .seed = 7});
/// const std::vector<float> logits{1.f, 2.f, -1.f};
/// const std::int64_t token = draw(logits, 0);
/// ```
///
/// range   temperature >= 0, top_k >= 0, 0 < top_p <= 1; logits finite or -inf, at least one of them finite
/// error   invalid_input outside of it
/// source  top-p: Holtzman and others, The curious case of neural text degeneration, arXiv:1904.09751
class sampler {
 public:
  explicit sampler(const sampling& how) : how_(how) {
    const auto expect = [](bool holds, const char* name, const char* range, double given) {
      if (!holds) COEFDYN_THROW invalid_input(name, range, std::to_string(given));
    };
    expect(how.temperature >= 0 && how.temperature <= std::numeric_limits<double>::max(), "temperature", "0 or more", how.temperature);
    expect(how.top_k >= 0, "top_k", "0 or more", static_cast<double>(how.top_k));
    expect(how.top_p > 0 && how.top_p <= 1, "top_p", "above 0, at most 1", how.top_p);
  }
  /// The tokens that may be drawn, the most probable first, the smaller number among equals; probabilities sum to 1.
  std::vector<candidate> distribution(std::span<const float> logits) const {
    const std::int64_t largest = greedy(logits);
    if (how_.temperature == 0) return {{largest, 1}};
    const double top = static_cast<double>(logits[std::size_t(largest)]);
    std::vector<candidate> all;
    for (std::size_t i = 0; i < logits.size(); ++i)
      if (const double p = std::exp((static_cast<double>(logits[i]) - top) / how_.temperature); p > 0)
        all.push_back({static_cast<std::int64_t>(i), p});
    const auto before = [&](const candidate& a, const candidate& b) {
      const float x = logits[std::size_t(a.token)], y = logits[std::size_t(b.token)];
      return x != y ? x > y : a.token < b.token;
    };
    const std::size_t kept = how_.top_k > 0 ? std::min(all.size(), std::size_t(how_.top_k)) : all.size();
    std::partial_sort(all.begin(), all.begin() + std::ptrdiff_t(kept), all.end(), before);
    all.resize(kept);
    normalise(all);
    if (how_.top_p < 1) {
      double sum = 0;
      std::size_t fewest = 0;
      while (fewest < all.size() && sum < how_.top_p) sum += all[fewest++].probability;
      all.resize(fewest);
      normalise(all);
    }
    return all;
  }
  /// The `index`-th draw.
  std::int64_t operator()(std::span<const float> logits, std::uint64_t index) const {
    const std::vector<candidate> all = distribution(logits);
    random_stream r(how_.seed, 0x73616d706c65, 0, index);
    double left = r.unit();
    for (const candidate& c : all) {
      if (left < c.probability) return c.token;
      left -= c.probability;
    }
    return all.back().token;
  }
  /// The token of the largest logit, the first among equals.
  static std::int64_t greedy(std::span<const float> logits) {
    std::size_t best = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (std::isnan(logits[i]) || logits[i] > std::numeric_limits<float>::max())
        COEFDYN_THROW invalid_input("logits", "numbers that are finite or -inf",
                                    std::to_string(logits[i]) + " at token " + std::to_string(i));
      if (logits[i] > logits[best]) best = i;
    }
    if (logits.empty() || !std::isfinite(logits[best]))
      COEFDYN_THROW invalid_input("logits", "at least one finite number", std::to_string(logits.size()) + " numbers, none of them finite");
    return static_cast<std::int64_t>(best);
  }

 private:
  static void normalise(std::vector<candidate>& all) {
    double sum = 0;
    for (const candidate& c : all) sum += c.probability;
    for (candidate& c : all) c.probability /= sum;
  }
  sampling how_;
};

}  // namespace coefdyn::text
