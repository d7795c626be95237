// SPDX-License-Identifier: MIT
#pragma once
#include "in_context_recall.hpp"

namespace coefdyn::tasks {

/// Sizes of the task, and its seed.
struct noisy_in_context_recall_options {
  idx vocabulary = 32, length = 128, noise_vocabulary = 16;
  double noise = 0.2;
  idx train = 12800, test = 1280, valid = 0;
  std::uint64_t seed = 1;
};

/// In-context recall with noise between the pairs: a pair slot is two tokens of noise with probability `noise`, but for one slot. Noise
/// tokens are the vocabulary's last.
///
/// shape   inputs and targets of 2 (length / 2) - 1 tokens
/// range   vocabulary >= noise_vocabulary + 2, length >= 2, noise in 0 .. 1
/// error   invalid_input for other options, and for an index outside of its split
/// source  arXiv:2403.17844 (MAD)
class noisy_in_context_recall : public detail::generated<noisy_in_context_recall_options> {
 public:
  static constexpr std::string_view name = "noisy_in_context_recall";
  static constexpr tasks::labels labels = tasks::labels::one_a_token;
  static constexpr tasks::metric metric = tasks::metric::accuracy;

  explicit noisy_in_context_recall(const noisy_in_context_recall_options& o = {}) : generated(o, name) {
    detail::expect(o.noise >= 0 && o.noise <= 1, name, "noise", "0 .. 1", std::to_string(o.noise));
    detail::expect(o.noise_vocabulary >= (o.noise > 0), name, "noise_vocabulary", "a token at least", o.noise_vocabulary);
    detail::check_recall(name, o.vocabulary - o.noise_vocabulary, o.length);
  }
  idx vocabulary() const { return options().vocabulary; }
  idx outputs() const { return options().vocabulary; }
  idx length() const { return options().length / 2 * 2 - 1; }
  sample make(split s, idx index) const {
    random_stream r = stream(detail::stream_of::noisy_in_context_recall, name, s, index);
    const auto& o = options();
    const idx plain = o.vocabulary - o.noise_vocabulary, keys = plain / 2;
    return detail::recall(r, {keys, plain - keys, o.noise_vocabulary, o.length / 2, o.noise, s == split::train});
  }
};

}  // namespace coefdyn::tasks
