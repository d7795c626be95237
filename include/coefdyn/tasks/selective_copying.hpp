// SPDX-License-Identifier: MIT
#pragma once
#include "task.hpp"

namespace coefdyn::tasks {

/// Sizes of the task, and its seed.
struct selective_copying_options {
  idx vocabulary = 16, length = 256, tokens = 16, train = 12800, test = 1280, valid = 0;
  std::uint64_t seed = 1;
};

/// `tokens` tokens among blanks, then the token that asks for them, then a blank for each: say them in order at the last positions. The
/// vocabulary's last token asks, the one before it is blank; blanks stand in front of a token each.
///
/// shape   inputs and targets of length tokens; only the last `tokens` count
/// range   vocabulary >= 3, tokens >= 1, length >= 2 tokens + 1
/// error   invalid_input for other options, and for an index outside of its split
/// source  arXiv:2403.17844 (MAD)
class selective_copying : public detail::generated<selective_copying_options> {
 public:
  static constexpr std::string_view name = "selective_copying";
  static constexpr tasks::labels labels = tasks::labels::one_a_token;
  static constexpr tasks::metric metric = tasks::metric::accuracy;

  explicit selective_copying(const selective_copying_options& o = {}) : generated(o, name) {
    detail::expect(o.vocabulary >= 3, name, "vocabulary", "at least 3", o.vocabulary);
    detail::expect(o.tokens >= 1, name, "tokens", "at least 1", o.tokens);
    detail::expect((o.length - 1) / 2 >= o.tokens, name, "length", "at least twice the tokens to copy and one", o.length);
  }
  idx vocabulary() const { return options().vocabulary; }
  idx outputs() const { return options().vocabulary; }
  idx length() const { return options().length; }
  sample make(split s, idx index) const {
    random_stream r = stream(detail::stream_of::selective_copying, name, s, index);
    const auto& o = options();
    const auto n = static_cast<std::size_t>(o.tokens);
    const std::int64_t copy = o.vocabulary - 1, blank = o.vocabulary - 2;
    token_list what(n);
    for (auto& token : what) token = static_cast<std::int64_t>(r.below(static_cast<std::uint64_t>(blank)));
    std::vector<std::size_t> blanks_before(n);
    for (idx i = 0; i < o.length - 2 * o.tokens - 1; ++i) ++blanks_before[r.below(n)];
    sample out;
    out.inputs.reserve(static_cast<std::size_t>(o.length));
    for (std::size_t j = 0; j < n; ++j) {
      out.inputs.insert(out.inputs.end(), blanks_before[j], blank);
      out.inputs.push_back(what[j]);
    }
    out.inputs.push_back(copy);
    out.inputs.insert(out.inputs.end(), n, blank);
    out.targets.assign(out.inputs.size() - n, ignored);
    out.targets.insert(out.targets.end(), what.begin(), what.end());
    return out;
  }
};

}  // namespace coefdyn::tasks
