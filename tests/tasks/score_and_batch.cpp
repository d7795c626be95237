// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <coefdyn/tasks/batch.hpp>
#include <coefdyn/tasks/listops.hpp>
#include <coefdyn/tasks/mqar.hpp>
#include <coefdyn/tasks/score.hpp>
#include <numeric>

namespace {

using namespace coefdyn;
using tasks::ignored;

/// A user's task: sample i is i + 1 tokens and says whether their sum is odd.
struct parity {
  static constexpr std::string_view name = "parity";
  static constexpr tasks::labels labels = tasks::labels::one_a_sequence;
  static constexpr tasks::metric metric = tasks::metric::accuracy;
  static constexpr std::int64_t padding = 2;
  idx vocabulary() const { return 3; }
  idx outputs() const { return 2; }
  idx length() const { return 16; }
  idx size(tasks::split) const { return 16; }
  tasks::sample make(tasks::split s, idx index) const {
    random_stream r(1, 1000, std::uint64_t(s), std::uint64_t(index));
    tasks::sample out;
    for (idx i = 0; i <= index; ++i) out.inputs.push_back(std::int64_t(r.below(2)));
    out.targets = {std::accumulate(out.inputs.begin(), out.inputs.end(), std::int64_t(0)) % 2};
    return out;
  }
};
/// One whose samples have no targets.
struct forgetful : parity {
  tasks::sample make(tasks::split, idx) const { return {{0, 1}, {}}; }
};
/// Sample i: i + 1 tokens, each followed by the next.
struct steps {
  static constexpr std::string_view name = "steps";
  static constexpr tasks::labels labels = tasks::labels::one_a_token;
  static constexpr tasks::metric metric = tasks::metric::perplexity;
  static constexpr std::int64_t padding = 9;
  idx vocabulary() const { return 10; }
  idx outputs() const { return 10; }
  idx length() const { return 9; }
  idx size(tasks::split) const { return 9; }
  tasks::sample make(tasks::split, idx index) const {
    tasks::sample out;
    for (idx i = 0; i <= index; ++i)
      out.inputs.push_back((index + i) % 9), out.targets.push_back(i == index ? ignored : (index + i + 1) % 9);
    return out;
  }
};
struct unnamed {
  idx vocabulary() const { return 3; }
};
static_assert(tasks::task<parity> && tasks::task<tasks::mqar> && tasks::task<tasks::listops>);
static_assert(!tasks::task<unnamed> && !tasks::says_how_it_is_scored<unnamed> && !tasks::makes_samples_by_index<unnamed>);

template <class F>
std::string sentence_of(F f) {
  try {
    f();
  } catch (const invalid_input& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("score: micro, macro, by position, perplexity") {
  tasks::score s(3);
  const std::int64_t targets[] = {0, 0, 1, 1, 1, 1}, predicted[] = {0, 0, 1, 1, 1, 2};
  s.add(targets, predicted, 3);
  CHECK(s.counted() == 6);
  CHECK(s.accuracy() == doctest::Approx(5.0 / 6));
  CHECK(s.macro_accuracy() == doctest::Approx((1 + 0.75 + 0) / 3));  // class 2 was never a target
  CHECK(s.accuracy_at(0) == 1);
  CHECK(s.accuracy_at(2) == 0.5);
  CHECK(s.accuracy_at(7) == 0);
  s.add_loss(3), s.add_loss(9);
  CHECK(s.perplexity() == doctest::Approx(std::exp(2.0)));
}
TEST_CASE("score: what is ignored does not count, batches add up, a class that never came is left out") {
  tasks::score s(100);
  const std::int64_t first[] = {ignored, 5}, second[] = {5, ignored, 6}, guess[] = {5, 5}, guesses[] = {5, 7, 5};
  s.add(first, guess, 2);
  s.add(second, guesses, 3);
  CHECK(s.counted() == 3);
  CHECK(s.accuracy() == doctest::Approx(2.0 / 3));
  CHECK(s.macro_accuracy() == 0.5);
  CHECK(s.accuracy_at(1) == 1);
  CHECK(s.accuracy_at(2) == 0);
  CHECK(tasks::score(4).accuracy() == 0);
  CHECK(tasks::score(4).macro_accuracy() == 0);
  CHECK(tasks::score(4).perplexity() == 1);
}
TEST_CASE("score: sentences") {
  tasks::score s(3);
  const std::int64_t targets[] = {0, 3}, fine[] = {0, 1}, low[] = {0, -1};
  CHECK(sentence_of([&] { s.add(targets, fine, 1); }) == "coefdyn: score: target: expected 0 .. 2 or ignored, given 3");
  CHECK(sentence_of([&] { s.add(fine, low, 1); }) == "coefdyn: score: prediction: expected 0 .. 2, given -1");
  CHECK(sentence_of([&] { s.add(fine, std::span(fine).first(1), 1); }).find("as many as targets, 2, given 1") != std::string::npos);
  CHECK(sentence_of([&] { s.add(fine, fine, 0); }).find("positions") != std::string::npos);
  CHECK(sentence_of([] { tasks::score(0); }).find("outputs") != std::string::npos);
  CHECK(s.counted() == 0);
}
TEST_CASE("batch: padded to the longest, lengths, one target a sequence") {
  const parity t;
  const idx indices[] = {3, 0, 1};
  const tasks::batch b = tasks::make_batch(t, tasks::split::train, indices);
  CHECK(b.rows == 3);
  CHECK(b.length == 4);
  CHECK(b.lengths == std::vector<idx>{4, 1, 2});
  CHECK(b.targets.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    tasks::sample x = t.make(tasks::split::train, indices[i]);
    CHECK(b.targets[i] == x.targets[0]);
    x.inputs.resize(4, parity::padding);
    CHECK(tasks::token_list(b.inputs.begin() + std::ptrdiff_t(4 * i), b.inputs.begin() + std::ptrdiff_t(4 * i + 4)) == x.inputs);
  }
  CHECK(tasks::make_batch(t, tasks::split::test, std::span<const idx>()).rows == 0);
  CHECK(sentence_of([&] { tasks::make_batch(forgetful(), tasks::split::train, indices); }) ==
        "coefdyn: parity: targets of a sample: expected 1, given 0");
}
TEST_CASE("batch: one target a token") {
  const tasks::mqar t({.vocabulary = 64, .length = 32, .pairs = 4});
  const idx indices[] = {7, 2};
  const tasks::batch b = tasks::make_batch(t, tasks::split::train, indices);
  CHECK(b.targets.size() == 64);
  CHECK(tasks::token_list(b.targets.begin() + 32, b.targets.end()) == t.make(tasks::split::train, 2).targets);
}
TEST_CASE("batches of an epoch: its order, the last one shorter") {
  const auto batches = tasks::epoch_batches(7, 2, 10, 4);
  CHECK(batches == std::vector<std::vector<idx>>{{2, 5, 7, 1}, {4, 6, 9, 0}, {8, 3}});
  CHECK(tasks::epoch_batches(7, 2, 0, 4).empty());
  CHECK(sentence_of([] { tasks::epoch_batches(7, 2, 10, 0); }).find("rows") != std::string::npos);
}
TEST_CASE("packed rows: every token once and in order, sequences by cu_seqlens, padding at the end alone") {
  const steps t;
  const std::vector<idx> indices{3, 0, 8, 1, 5};
  idx tokens = 0;
  for (const idx i : indices) tokens += i + 1;
  for (const idx length : {1, 2, 3, 7, 11, 22, 23, 40}) {
    CAPTURE(length);
    const tasks::packed_batch b = make_packed_batch(t, tasks::split::train, indices, length);
    CHECK(b.rows == (tokens + length - 1) / length);
    REQUIRE(std::ssize(b.inputs) == b.rows * length);
    REQUIRE(b.targets.size() == b.inputs.size());
    REQUIRE((b.cu_seqlens.front() == 0 && b.cu_seqlens.back() == b.rows * length));
    std::size_t at = 0;
    std::vector<std::int64_t> starts;  // as the sentence has it: rows, samples, padding
    for (const idx i : indices) {
      const tasks::sample x = t.make(tasks::split::train, i);
      starts.push_back(std::int64_t(at));
      for (std::size_t j = 0; j < x.inputs.size(); ++j, ++at) CHECK((b.inputs[at] == x.inputs[j] && b.targets[at] == x.targets[j]));
    }
    starts.push_back(std::int64_t(at));
    for (; at < b.inputs.size(); ++at) CHECK((b.inputs[at] == 9 && b.targets[at] == ignored));
    for (idx row = 0; row <= b.rows; ++row) starts.push_back(row * length);
    std::sort(starts.begin(), starts.end());
    starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
    CHECK(b.cu_seqlens == starts);
  }
  const tasks::packed_batch none = make_packed_batch(t, tasks::split::train, std::vector<idx>{}, 4);
  CHECK((none.rows == 0 && none.inputs.empty() && none.cu_seqlens == std::vector<std::int64_t>{0}));
  CHECK(sentence_of([&] { make_packed_batch(t, tasks::split::train, indices, 0); }) ==
        "coefdyn: steps: length of a packed row: expected at least 1, given 0");
}
