// SPDX-License-Identifier: MIT
#pragma once
#include <numeric>

#include "draws.hpp"
#include "task.hpp"

namespace coefdyn::tasks {

/// Sizes of the task, and its seed.
struct memorization_options {
  idx vocabulary = 256, length = 32, train = 256, test = 1280, valid = 0;
  std::uint64_t seed = 1;
};

/// Keys, each followed by a token that asks for its value, of a map that is the same in all sequences of a seed, whatever the split. Keys
/// are the lower half of the vocabulary, its last token asks, the others are values.
///
/// shape   inputs and targets of 2 (length / 2) tokens; the value is the target at the token that asks
/// range   vocabulary >= 3, length >= 2
/// error   invalid_input for other options, and for an index outside of its split
/// source  arXiv:2403.17844 (MAD)
class memorization : public detail::generated<memorization_options> {
 public:
  static constexpr std::string_view name = "memorization";
  static constexpr tasks::labels labels = tasks::labels::one_a_token;
  static constexpr tasks::metric metric = tasks::metric::accuracy;

  explicit memorization(const memorization_options& o = {}) : generated(o, name) {
    detail::expect(o.vocabulary >= 3, name, "vocabulary", "at least 3", o.vocabulary);
    detail::expect(o.length >= 2, name, "length", "at least 2", o.length);
    const auto plain = o.vocabulary - 1, keys = plain / 2;
    token_list key(static_cast<std::size_t>(keys)), value(static_cast<std::size_t>(plain - keys));
    std::iota(key.begin(), key.end(), 0);
    std::iota(value.begin(), value.end(), keys);
    random_stream r(o.seed, std::uint64_t(detail::stream_of::memorization), detail::table_split, 0);
    shuffle(r, key), shuffle(r, value);
    map_.resize(key.size());
    for (std::size_t i = 0; i < key.size(); ++i) map_[static_cast<std::size_t>(key[i])] = value[i];
  }
  idx vocabulary() const { return options().vocabulary; }
  idx outputs() const { return options().vocabulary; }
  idx length() const { return options().length / 2 * 2; }
  /// The value of each key.
  const token_list& map() const { return map_; }
  sample make(split s, idx index) const {
    random_stream r = stream(detail::stream_of::memorization, name, s, index);
    sample out;
    for (idx i = 0; i < options().length / 2; ++i) {
      const auto k = r.below(map_.size());
      out.inputs.insert(out.inputs.end(), {static_cast<std::int64_t>(k), vocabulary() - 1});
      out.targets.insert(out.targets.end(), {ignored, map_[k]});
    }
    return out;
  }

 private:
  token_list map_;
};

}  // namespace coefdyn::tasks
