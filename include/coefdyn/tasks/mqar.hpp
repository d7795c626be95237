// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>

#include "draws.hpp"
#include "task.hpp"

namespace coefdyn::tasks {

/// Sizes of the task, and its seed.
struct mqar_options {
  idx vocabulary = 8192, length = 512, pairs = 64;
  double power = 0.01;
  bool random_filler = true;  // uniform tokens between the queries, keys and values among them; false: token 0
  idx train = 100000, test = 3000, valid = 0;
  std::uint64_t seed = 1;
};

/// Multi-query associative recall: pairs of a key and a value, then each key once more among filler. The value is the target at the second
/// sight of its key. Keys are 1 .. vocabulary / 2 - 1, values the upper half; both differ within a sequence. The gap between the pairs and
/// a key's return is g with weight (g + 1)^(power - 1), drawn without replacement.
///
/// shape   inputs and targets of length tokens; `pairs` targets count
/// range   vocabulary / 2 - 1 >= pairs >= 1, length >= 4 pairs, power in 0 .. 1
/// error   invalid_input for other options, and for an index outside of its split
/// source  arXiv:2312.04927 (zoology, with random_filler = false), arXiv:2510.09379
class mqar : public detail::generated<mqar_options> {
 public:
  static constexpr std::string_view name = "mqar";
  static constexpr tasks::labels labels = tasks::labels::one_a_token;
  static constexpr tasks::metric metric = tasks::metric::accuracy;

  explicit mqar(const mqar_options& o = {}) : generated(o, name) {
    detail::expect(o.pairs >= 1, name, "pairs", "at least 1", o.pairs);
    detail::expect(o.vocabulary / 2 > o.pairs, name, "vocabulary", "twice the pairs and 2 at least", o.vocabulary);
    detail::expect(o.length / 4 >= o.pairs, name, "length", "four times the pairs at least", o.length);
    detail::expect(o.power >= 0 && o.power <= 1, name, "power", "0 .. 1", std::to_string(o.power));
    weights_.resize(static_cast<std::size_t>(o.length / 2 - o.pairs));
    for (std::size_t g = 0; g < weights_.size(); ++g)
      weights_[g] = static_cast<std::uint64_t>(0x1p32 * std::pow(static_cast<double>(g + 1), o.power - 1) + 0.5);
  }
  idx vocabulary() const { return options().vocabulary; }
  idx outputs() const { return options().vocabulary; }
  idx length() const { return options().length; }
  /// Of the gaps, in units of 2^-32.
  const std::vector<std::uint64_t>& weights() const { return weights_; }
  sample make(split s, idx index) const {
    random_stream r = stream(detail::stream_of::mqar, name, s, index);
    const auto pairs = static_cast<std::size_t>(options().pairs), length = static_cast<std::size_t>(options().length);
    const idx half = vocabulary() / 2;
    const token_list key = distinct(r, pairs, static_cast<std::uint64_t>(half - 1));
    const token_list value = distinct(r, pairs, static_cast<std::uint64_t>(vocabulary() - half));
    sample out{token_list(length, 0), token_list(length, ignored)};
    for (std::size_t j = 0; j < pairs; ++j) out.inputs[2 * j] = 1 + key[j], out.inputs[2 * j + 1] = half + value[j];
    std::vector<std::uint64_t> left = weights_;
    std::uint64_t total = 0;
    for (const std::uint64_t w : left) total += w;
    for (std::size_t j = 0; j < pairs; ++j) {
      std::uint64_t at = r.below(total);
      std::size_t g = 0;
      for (; at >= left[g]; ++g) at -= left[g];
      total -= left[g], left[g] = 0;
      out.inputs[2 * pairs + 2 * g] = 1 + key[j];
      out.targets[2 * pairs + 2 * g] = half + value[j];
    }
    if (options().random_filler)
      for (auto& token : out.inputs)
        if (token == 0) token = static_cast<std::int64_t>(r.below(static_cast<std::uint64_t>(vocabulary())));
    return out;
  }

 private:
  std::vector<std::uint64_t> weights_;
};

}  // namespace coefdyn::tasks
