// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <span>

#include "order.hpp"
#include "task.hpp"

namespace coefdyn::tasks {

namespace detail {
/// The input behind a sample's end: the task's `padding`, 0 if it names none.
template <class T>
constexpr std::int64_t padding_of() {
  if constexpr (requires { T::padding; }) return T::padding;
  else return 0;
}
}  // namespace detail

/// Samples side by side, row-major, padded on the right to the longest: inputs with the task's `padding` (0 if it names none), targets of
/// every token with `ignored`.
struct batch {
  idx rows = 0, length = 0;
  token_list inputs;         // (rows, length)
  token_list targets;        // (rows, length), or (rows) where a sequence has one
  std::vector<idx> lengths;  // (rows), before the padding
};

/// The samples of a split at some indices, in their order, into a batch that was used before; `samples` are those of a batch before. Where
/// both have the room, nothing allocates but the task.
///
/// error   as make_batch that returns one
template <task T>
void make_batch(const T& t, split s, std::span<const idx> indices, batch& out, std::vector<sample>& samples) {
  out.length = 0, out.inputs.clear(), out.targets.clear(), out.lengths.clear();
  samples.resize(indices.size());
  for (std::size_t k = 0; k < indices.size(); ++k) {
    sample& x = samples[k] = t.make(s, indices[k]);
    const idx inputs = std::ssize(x.inputs), targets = T::labels == labels::one_a_token ? inputs : 1;
    detail::expect(inputs > 0, T::name, "sample", "tokens", "none");
    detail::expect(std::ssize(x.targets) == targets, T::name, "targets of a sample", std::to_string(targets), std::ssize(x.targets));
    out.lengths.push_back(inputs);
    out.length = std::max(out.length, inputs);
  }
  out.rows = std::ssize(indices);
  const auto append = [&](token_list& to, const token_list& from, std::int64_t fill) {
    to.insert(to.end(), from.begin(), from.end());
    to.insert(to.end(), static_cast<std::size_t>(out.length) - from.size(), fill);
  };
  for (const sample& x : samples) {
    append(out.inputs, x.inputs, detail::padding_of<T>());
    if constexpr (T::labels == labels::one_a_token) append(out.targets, x.targets, ignored);
    else out.targets.push_back(x.targets.front());
  }
}

/// The samples of a split at some indices, in their order.
///
/// error   invalid_input for an index outside of the split, and for a sample without tokens or with another number of targets than its
///         task says
template <task T>
batch make_batch(const T& t, split s, std::span<const idx> indices) {
  batch out;
  std::vector<sample> samples;
  make_batch(t, s, indices, out, samples);
  return out;
}
/// Samples one behind another in rows of one length: no padding but at the end of the last row.
struct packed_batch {
  idx rows = 0, length = 0;
  token_list inputs;                     // (rows, length)
  token_list targets;                    // (rows, length); `ignored` in the padding
  std::vector<std::int64_t> cu_seqlens;  // where sequences start in the rows * length tokens, and their number: 0 .. rows * length
};

/// The samples of a split at some indices, in their order, packed into rows of `length` tokens. A sample that does not fit in a row goes on
/// in the next, as a sequence of its own: a row starts one, and so does each sample, and so does the padding. As one call of
/// rows * length tokens with these cu_seqlens, no state or score crosses from one sequence into the next.
///
/// error   invalid_input for length below 1, and as make_batch
template <task T>
  requires(T::labels == labels::one_a_token)
packed_batch make_packed_batch(const T& t, split s, std::span<const idx> indices, idx length) {
  detail::expect(length >= 1, T::name, "length of a packed row", "at least 1", length);
  packed_batch out;
  out.length = length;
  const auto start = [&] {
    const idx at = std::ssize(out.inputs);
    if (out.cu_seqlens.empty() || out.cu_seqlens.back() != at) out.cu_seqlens.push_back(at);
  };
  const auto append = [&](std::int64_t input, std::int64_t target) {
    if (std::ssize(out.inputs) % length == 0) start();
    out.inputs.push_back(input), out.targets.push_back(target);
  };
  for (const idx i : indices) {
    const batch one = make_batch(t, s, std::span(&i, 1));
    start();
    for (std::size_t j = 0; j < one.inputs.size(); ++j) append(one.inputs[j], one.targets[j]);
  }
  if (std::ssize(out.inputs) % length != 0) start();
  while (std::ssize(out.inputs) % length != 0) append(detail::padding_of<T>(), ignored);
  start();
  out.rows = std::ssize(out.inputs) / length;
  return out;
}

/// How samples become a batch: side by side.
struct padded {
  template <task T>
  batch operator()(const T& t, split s, std::span<const idx> indices) const {
    return make_batch(t, s, indices);
  }
  template <task T>
  void operator()(const T& t, split s, std::span<const idx> indices, batch& out, std::vector<sample>& samples) const {
    make_batch(t, s, indices, out, samples);
  }
};
/// The same: one behind another in rows of `length` tokens.
struct packed {
  idx length = 1024;
  template <task T>
  packed_batch operator()(const T& t, split s, std::span<const idx> indices) const {
    return make_packed_batch(t, s, indices, length);
  }
};

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
