// SPDX-License-Identifier: MIT
#pragma once

#include "task.hpp"

namespace coefdyn::tasks {

namespace detail {
/// Of both recall tasks.
struct recall_setting {
  idx keys, values, noise_tokens, pairs;
  double noise;
  bool all_count;
};
/// The sequences of plain and noisy recall. One pair slot, drawn at the start, is never noise; the last slot is not among those that could
/// be. Plain recall draws it too.
inline sample recall(random_stream& r, const recall_setting& z) {
  const auto below = [&](idx n) { return static_cast<std::int64_t>(r.below(static_cast<std::uint64_t>(n))); };
  const idx sure = below(z.pairs);
  token_list value(static_cast<std::size_t>(z.keys), ignored), met, x, t;  // met: keys in the order of first sight
  x.reserve(static_cast<std::size_t>(2 * z.pairs)), t.reserve(static_cast<std::size_t>(2 * z.pairs));
  const auto append = [&](std::int64_t a, std::int64_t b, std::int64_t target) {
    x.insert(x.end(), {a, b}), t.insert(t.end(), {ignored, target});
  };
  const auto meet = [&](std::int64_t k) {
    value[static_cast<std::size_t>(k)] = z.keys + below(z.values);
    met.push_back(k);
  };
  for (idx i = 0; i < z.pairs - 1; ++i) {
    if (i != sure && r.coin(z.noise)) {
      const std::int64_t first = z.keys + z.values + below(z.noise_tokens), second = z.keys + z.values + below(z.noise_tokens);
      append(first, second, ignored);
      continue;
    }
    const std::int64_t k = below(z.keys), known = value[static_cast<std::size_t>(k)];
    if (known == ignored) meet(k);
    append(k, value[static_cast<std::size_t>(k)], known);
  }
  if (met.empty()) meet(0);  // all slots were noise
  const std::int64_t last = met[static_cast<std::size_t>(below(std::ssize(met)))];
  append(last, value[static_cast<std::size_t>(last)], value[static_cast<std::size_t>(last)]);
  sample out;  // shifted by one: a position's target is what comes next
  token_list& next = z.all_count ? x : t;
  out.targets.assign(next.begin() + 1, next.end());
  x.pop_back();
  out.inputs = std::move(x);
  return out;
}
inline void check_recall(std::string_view name, idx plain, idx length) {
  expect(plain >= 2, name, "vocabulary", "at least 2 tokens that are no noise", plain);
  expect(length >= 2, name, "length", "at least 2", length);
}
}  // namespace detail

/// Sizes of the task, and its seed.
struct in_context_recall_options {
  idx vocabulary = 16, length = 128, train = 12800, test = 1280, valid = 0;
  std::uint64_t seed = 1;
};

/// Keys followed by their values, a map drawn anew for each sequence: predict the value of a key that came before. Keys are the lower half
/// of the vocabulary. In training every next token is a target, in the other splits the values of keys seen before. The last pair's key is
/// always one of them.
///
/// shape   inputs and targets of 2 (length / 2) - 1 tokens
/// range   vocabulary >= 2, length >= 2
/// error   invalid_input for other options, and for an index outside of its split
/// source  arXiv:2403.17844 (MAD)
class in_context_recall : public detail::generated<in_context_recall_options> {
 public:
  static constexpr std::string_view name = "in_context_recall";
  static constexpr tasks::labels labels = tasks::labels::one_a_token;
  static constexpr tasks::metric metric = tasks::metric::accuracy;

  explicit in_context_recall(const in_context_recall_options& o = {}) : generated(o, name) {
    detail::check_recall(name, o.vocabulary, o.length);
  }
  idx vocabulary() const { return options().vocabulary; }
  idx outputs() const { return options().vocabulary; }
  idx length() const { return options().length / 2 * 2 - 1; }
  sample make(split s, idx index) const {
    random_stream r = stream(detail::stream_of::in_context_recall, name, s, index);
    const idx keys = vocabulary() / 2;
    return detail::recall(r, {keys, vocabulary() - keys, 0, options().length / 2, 0, s == split::train});
  }
};

}  // namespace coefdyn::tasks
