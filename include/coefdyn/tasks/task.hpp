// SPDX-License-Identifier: MIT
#pragma once
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../core/errors.hpp"
#include "../core/ignored.hpp"
#include "../core/random.hpp"

/// What a task is: samples by index, each a function of (seed, task, split, index) alone, so that any thread makes any of them in any
/// order. A task of one's own is a type with the members below; no base class, no registration:
///
/// ```cpp
/// struct parity {  // is the number of ones odd?
///   static constexpr std::string_view name = "parity";
///   static constexpr tasks::labels labels = tasks::labels::one_a_sequence;
///   static constexpr tasks::metric metric = tasks::metric::accuracy;
///   idx vocabulary() const { return 2; }  // inputs are 0 .. 1
///   idx outputs() const { return 2; }     // and so are targets
///   idx length() const { return 16; }     // tokens of the longest sample
///   idx size(tasks::split s) const { return s == tasks::split::train ? 3200 : s == tasks::split::test ? 256 : 0; }
///   tasks::sample make(tasks::split s, idx index) const {
///     random_stream r(1, 1000, std::uint64_t(s), std::uint64_t(index));
///     tasks::sample out;
///     for (idx i = 0; i < length(); ++i) out.inputs.push_back(std::int64_t(r.below(2)));
///     out.targets = {0};
///     for (const std::int64_t bit : out.inputs) out.targets[0] ^= bit;
///     return out;
///   }
/// };
/// static_assert(tasks::task<parity>);
/// ```
namespace coefdyn::tasks {

/// The parts of a data set, with the numbers that streams know them by.
enum class split : std::uint64_t { train = 0, test = 1, valid = 2 };
/// The part's name.
inline const char* name_of(split s) { return s == split::train ? "train" : s == split::test ? "test" : "valid"; }

using coefdyn::ignored;

/// Whether a sample has one target a token, at the position that predicts it, or one in all.
enum class labels { one_a_token, one_a_sequence };
/// The number that a task is judged by.
enum class metric { accuracy, perplexity };

/// Tokens, or classes.
using token_list = std::vector<std::int64_t>;
/// One sample of a task.
struct sample {
  token_list inputs;   // 0 .. vocabulary - 1
  token_list targets;  // 0 .. outputs - 1 or `ignored`: as many as inputs, or one
};

/// Its name, its labels and its metric.
template <class T>
concept says_how_it_is_scored = requires {
  { T::name } -> std::convertible_to<std::string_view>;
  { T::labels } -> std::convertible_to<labels>;
  { T::metric } -> std::convertible_to<metric>;
};
/// Sizes of the vocabulary, of the outputs, of a sample and of the splits.
template <class T>
concept says_its_sizes = requires(const T& t, split s) {
  { t.vocabulary() } -> std::convertible_to<idx>;
  { t.outputs() } -> std::convertible_to<idx>;
  { t.length() } -> std::convertible_to<idx>;
  { t.size(s) } -> std::convertible_to<idx>;
};
/// Sample `index` of a split, the same whenever it is made.
template <class T>
concept makes_samples_by_index = requires(const T& t, split s, idx index) {
  { t.make(s, index) } -> std::same_as<sample>;
};
/// A task: what a loader, a score and a trainer ask for.
template <class T>
concept task = says_how_it_is_scored<T> && says_its_sizes<T> && makes_samples_by_index<T>;

namespace detail {
/// The second word of a stream's key. 1000 and above are free for tasks of one's own.
enum class stream_of : std::uint64_t {
  in_context_recall = 1,
  noisy_in_context_recall = 2,
  fuzzy_in_context_recall = 3,
  selective_copying = 4,
  compression = 5,
  memorization = 6,
  mqar = 7,
  listops = 8,
  order = 100
};
inline constexpr std::uint64_t table_split = 3;  // of what all samples of a task share

inline void expect(bool holds, std::string_view task_name, const char* option, const std::string& expected, const std::string& given) {
  if (!holds) COEFDYN_THROW invalid_input(std::string(task_name) + ": " + option, expected, given);
}
inline void expect(bool holds, std::string_view task_name, const char* option, const std::string& expected, idx given) {
  expect(holds, task_name, option, expected, std::to_string(given));
}
inline void expect_index(std::string_view task_name, split s, idx index, idx size) {
  if (index >= 0 && index < size) return;
  expect(size > 0, task_name, "split", "one that has samples", name_of(s));
  expect(false, task_name, "index", "0 .. " + std::to_string(size - 1) + " in split " + name_of(s), index);
}

/// What generated tasks share: their options, of which seed, train, test and valid are common to all, and a stream for each sample.
template <class Options>
class generated {
 public:
  explicit generated(const Options& o, std::string_view task_name) : options_(o) {
    expect(o.train >= 0 && o.test >= 0 && o.valid >= 0, task_name, "numbers of samples", "none below 0",
           std::to_string(o.train) + ", " + std::to_string(o.test) + ", " + std::to_string(o.valid));
  }
  const Options& options() const { return options_; }
  idx size(split s) const { return s == split::train ? options_.train : s == split::test ? options_.test : options_.valid; }

 protected:
  random_stream stream(stream_of number, std::string_view task_name, split s, idx index) const {
    expect_index(task_name, s, index, size(s));
    return random_stream(options_.seed, std::uint64_t(number), std::uint64_t(s), std::uint64_t(index));
  }

 private:
  Options options_;
};
}  // namespace detail

}  // namespace coefdyn::tasks
