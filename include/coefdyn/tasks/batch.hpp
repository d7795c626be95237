// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <span>

#include "order.hpp"
#include "task.hpp"

namespace coefdyn::tasks {

/// Samples side by side, row-major, padded on the right to the longest: inputs with the task's `padding` (0 if it names none), targets of
/// every token with `ignored`.
struct batch {
  idx rows = 0, length = 0;
  token_list inputs;         // (rows, length)
  token_list targets;        // (rows, length), or (rows) where a sequence has one
  std::vector<idx> lengths;  // (rows), before the padding
};

/// The samples of a split at some indices, in their order.
///
/// error   invalid_input for an index outside of the split, and for a sample without tokens or with another number of targets than its
///         task says
template <task T>
batch make_batch(const T& t, split s, std::span<const idx> indices) {
  std::vector<sample> samples;
  batch out;
  for (const idx i : indices) {
    samples.push_back(t.make(s, i));
    const idx inputs = std::ssize(samples.back().inputs), targets = T::labels == labels::one_a_token ? inputs : 1;
    detail::expect(inputs > 0, T::name, "sample", "tokens", "none");
    detail::expect(std::ssize(samples.back().targets) == targets, T::name, "targets of a sample", std::to_string(targets),
                   std::ssize(samples.back().targets));
    out.lengths.push_back(inputs);
    out.length = std::max(out.length, inputs);
  }
  out.rows = std::ssize(indices);
  std::int64_t padding = 0;
  if constexpr (requires { T::padding; }) padding = T::padding;
  const auto append = [&](token_list& to, const token_list& from, std::int64_t fill) {
    to.insert(to.end(), from.begin(), from.end());
    to.insert(to.end(), static_cast<std::size_t>(out.length) - from.size(), fill);
  };
  for (const sample& x : samples) {
    append(out.inputs, x.inputs, padding);
    if constexpr (T::labels == labels::one_a_token) append(out.targets, x.targets, ignored);
    else out.targets.push_back(x.targets.front());
  }
  return out;
}

/// The indices of an epoch's training samples cut into batches; the last one is shorter where `rows` does not divide their number.
///
/// error   invalid_input for rows below 1
inline std::vector<std::vector<idx>> epoch_batches(std::uint64_t seed, std::uint64_t epoch, idx n, idx rows) {
  detail::expect(rows >= 1, "epoch_batches", "rows", "at least 1", rows);
  const std::vector<idx> order = epoch_order(seed, epoch, n);
  std::vector<std::vector<idx>> out;
  for (auto from = order.begin(); from != order.end();) {
    const auto to = from + std::min<std::ptrdiff_t>(rows, order.end() - from);
    out.emplace_back(from, to);
    from = to;
  }
  return out;
}

}  // namespace coefdyn::tasks
