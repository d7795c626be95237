// SPDX-License-Identifier: MIT
#pragma once
#include "task.hpp"

namespace coefdyn::tasks {

/// Sizes of the task, and its seed.
struct compression_options {
  idx vocabulary = 16, length = 32, train = 12800, test = 1280, valid = 0;
  std::uint64_t seed = 1;
};

/// Tokens and at the end a constant one, the vocabulary's last: say all of them, from what the last position holds
/// (`nn::autoencoder`).
///
/// shape   inputs and targets of length tokens; all count, the constant too
/// range   vocabulary >= 2, length >= 1
/// error   invalid_input for other options, and for an index outside of its split
/// source  arXiv:2403.17844 (MAD)
class compression : public detail::generated<compression_options> {
 public:
  static constexpr std::string_view name = "compression";
  static constexpr tasks::labels labels = tasks::labels::one_a_token;
  static constexpr tasks::metric metric = tasks::metric::accuracy;

  explicit compression(const compression_options& o = {}) : generated(o, name) {
    detail::expect(o.vocabulary >= 2, name, "vocabulary", "at least 2", o.vocabulary);
    detail::expect(o.length >= 1, name, "length", "at least 1", o.length);
  }
  idx vocabulary() const { return options().vocabulary; }
  idx outputs() const { return options().vocabulary; }
  idx length() const { return options().length; }
  sample make(split s, idx index) const {
    random_stream r = stream(detail::stream_of::compression, name, s, index);
    sample out;
    out.inputs.resize(static_cast<std::size_t>(length()), vocabulary() - 1);
    for (std::size_t i = 0; i + 1 < out.inputs.size(); ++i)
      out.inputs[i] = static_cast<std::int64_t>(r.below(static_cast<std::uint64_t>(vocabulary() - 1)));
    out.targets = out.inputs;
    return out;
  }
};

}  // namespace coefdyn::tasks
