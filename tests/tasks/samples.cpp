// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/tasks/compression.hpp>
#include <coefdyn/tasks/fuzzy_in_context_recall.hpp>
#include <coefdyn/tasks/in_context_recall.hpp>
#include <coefdyn/tasks/listops.hpp>
#include <coefdyn/tasks/memorization.hpp>
#include <coefdyn/tasks/mqar.hpp>
#include <coefdyn/tasks/noisy_in_context_recall.hpp>
#include <coefdyn/tasks/order.hpp>
#include <coefdyn/tasks/selective_copying.hpp>
#include <thread>

/// Samples of the reference (plain integers in Python), seed 1: some token by token, more as hashes.
namespace {

using namespace coefdyn;
using namespace coefdyn::tasks;
constexpr std::int64_t no = ignored;

/// FNV-1a over the numbers of samples 0 .. 7, inputs and targets.
template <task T>
std::uint64_t hash(const T& t, split s) {
  std::uint64_t h = 14695981039346656037u;
  for (idx i = 0; i < 8; ++i) {
    const sample made = t.make(s, i);
    for (const token_list* list : {&made.inputs, &made.targets})
      for (const std::int64_t x : *list) h = (h ^ static_cast<std::uint64_t>(x)) * 1099511628211u;
  }
  return h;
}
void check(const sample& made, const token_list& inputs, const token_list& targets) {
  CHECK(made.inputs == inputs);
  CHECK(made.targets == targets);
}
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

TEST_CASE("samples in small") {
  check(in_context_recall({.length = 12}).make(split::test, 5), {4, 11, 6, 15, 2, 11, 0, 8, 2, 11, 4},
        {no, no, no, no, no, no, no, no, 11, no, 11});
  check(noisy_in_context_recall({.length = 16}).make(split::test, 5), {3, 8, 3, 8, 6, 11, 2, 13, 3, 8, 0, 10, 4, 11, 4},
        {no, no, 8, no, no, no, no, no, 8, no, no, no, no, no, 11});
  check(fuzzy_in_context_recall({.length = 24, .key_size = 2, .value_size = 2}).make(split::test, 5),
        {15, 15, 15, 4, 3, 14, 8, 4, 2, 12, 10, 4, 5, 12, 9, 2, 0, 10, 3, 2, 11, 4, 2, 12},
        {no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, 12, 10});
  check(selective_copying({.length = 12, .tokens = 3}).make(split::test, 5), {14, 14, 14, 11, 9, 14, 14, 6, 15, 14, 14, 14},
        {no, no, no, no, no, no, no, no, no, 11, 9, 6});
  check(compression({.length = 6}).make(split::test, 5), {5, 1, 13, 10, 12, 15}, {5, 1, 13, 10, 12, 15});
  check(memorization({.vocabulary = 16, .length = 8}).make(split::test, 5), {4, 15, 6, 15, 6, 15, 5, 15}, {no, 14, no, 9, no, 9, no, 13});
  CHECK(memorization({.vocabulary = 16}).map() == token_list{11, 12, 7, 8, 14, 13, 9});
  check(mqar({.vocabulary = 16, .length = 16, .pairs = 3}).make(split::test, 5), {3, 14, 6, 9, 5, 8, 3, 14, 6, 12, 6, 9, 5, 9, 3, 2},
        {no, no, no, no, no, no, 14, no, no, no, 9, no, 8, no, no, no});
  CHECK(mqar({.length = 18, .pairs = 1}).weights() ==
        std::vector<std::uint64_t>{4294967296, 2162420578, 1447470826, 1088730701, 872930277, 728769391, 625623137, 548151711});
  const listops small({.min_length = 5, .max_length = 16, .max_depth = 4, .max_arguments = 3, .operators = 0.4});
  check(small.make(split::train, 0), {16, 4, 16, 14, 4, 9, 17, 3, 17, 16, 9, 12, 4, 17, 17, 2}, {3});
  CHECK(epoch_order(7, 2, 10) == std::vector<idx>{2, 5, 7, 1, 4, 6, 9, 0, 8, 3});
  CHECK(epoch_order(1, 0, 10) == std::vector<idx>{3, 0, 8, 4, 7, 9, 1, 5, 6, 2});
  CHECK(epoch_order(1, 0, 0).empty());
}

TEST_CASE("samples as published") {
  CHECK(hash(in_context_recall(), split::train) == 0xd721b24941b589f7);
  CHECK(hash(in_context_recall(), split::test) == 0xa82162192fa79873);
  CHECK(hash(noisy_in_context_recall(), split::train) == 0xd23588b56e04c880);
  CHECK(hash(noisy_in_context_recall(), split::test) == 0xf520bb6fb2f51eef);
  CHECK(hash(fuzzy_in_context_recall(), split::train) == 0xd62e10ad8566ab97);
  CHECK(hash(fuzzy_in_context_recall(), split::test) == 0xdfa9099047e111f2);
  CHECK(hash(selective_copying(), split::train) == 0xbd26f7a605321c0f);
  CHECK(hash(selective_copying(), split::test) == 0x90ed30ec16d24ea3);
  CHECK(hash(compression(), split::train) == 0x9ae698c80608f0cd);
  CHECK(hash(compression(), split::test) == 0x4b35ee77e42f4c41);
  CHECK(hash(memorization(), split::train) == 0xf17e92367e380c8c);
  CHECK(hash(memorization(), split::test) == 0x2a654ff58e2b4e3c);
  CHECK(hash(mqar(), split::train) == 0xbe6f51c97f5b1784);
  CHECK(hash(mqar(), split::test) == 0xb52dcc188956d3b7);
  CHECK(hash(mqar({.random_filler = false}), split::train) == 0xf393ce9f73a71be5);
  CHECK(hash(mqar({.random_filler = false}), split::test) == 0x5a5985eeaee6ad4f);
  CHECK(hash(listops(), split::train) == 0x890865a46a1a0b4c);
  CHECK(hash(listops(), split::test) == 0x98ceee60157d89aa);
  CHECK(hash(listops(), split::valid) == 0x5920a9262192497e);
}

TEST_CASE("samples of odd lengths and vocabularies") {
  CHECK(hash(noisy_in_context_recall({.vocabulary = 48, .length = 256, .noise = 0.8}), split::train) == 0x384fae210aa2429d);
  CHECK(hash(in_context_recall({.vocabulary = 7, .length = 13}), split::train) == 0x3f1ed5e1b0fdf12a);
  CHECK(hash(in_context_recall({.vocabulary = 7, .length = 13}), split::test) == 0xaca6f15576055cd7);
  const fuzzy_in_context_recall fuzzy({.vocabulary = 9, .length = 31, .key_size = 2, .value_size = 3});
  CHECK(hash(fuzzy, split::train) == 0x320fed651823fb66);
  CHECK(hash(fuzzy, split::test) == 0x2eeccb71606a8de7);
  CHECK(hash(selective_copying({.vocabulary = 5, .length = 13, .tokens = 4}), split::test) == 0xc60c340e1e16f1c3);
  CHECK(hash(memorization({.vocabulary = 9, .length = 7}), split::test) == 0xd87b9a2cdf67c98a);
  CHECK(hash(mqar({.vocabulary = 17, .length = 17, .pairs = 3, .power = 0.5}), split::train) == 0x03d377d6dec57e6f);
}

TEST_CASE("a sample is the same from any thread, in any order") {
  const mqar t;
  const fuzzy_in_context_recall f;
  std::vector<sample> forward(64), backward(64);
  std::thread other([&] {
    for (idx i = 63; i >= 0; --i) backward[std::size_t(i)] = i % 2 ? t.make(split::train, i) : f.make(split::train, i);
  });
  for (idx i = 0; i < 64; ++i) forward[std::size_t(i)] = i % 2 ? t.make(split::train, i) : f.make(split::train, i);
  other.join();
  for (std::size_t i = 0; i < 64; ++i) check(forward[i], backward[i].inputs, backward[i].targets);
}

TEST_CASE("a task refuses options that have no samples, with a sentence") {
  CHECK(sentence_of([] { in_context_recall({.vocabulary = 1}); }) ==
        "coefdyn: in_context_recall: vocabulary: expected at least 2 tokens that are no noise, given 1");
  CHECK(sentence_of([] { noisy_in_context_recall({.noise = 1.5}); }) ==
        "coefdyn: noisy_in_context_recall: noise: expected 0 .. 1, given 1.500000");
  CHECK(sentence_of([] { noisy_in_context_recall({.noise_vocabulary = 0}); }).find("noise_vocabulary") != std::string::npos);
  CHECK(sentence_of([] { fuzzy_in_context_recall({.vocabulary = 6}); }).find("key_size") != std::string::npos);
  CHECK(sentence_of([] { fuzzy_in_context_recall({.length = 12}); }).find("length") != std::string::npos);
  CHECK(sentence_of([] { selective_copying({.length = 32}); }).find("length") != std::string::npos);
  CHECK(sentence_of([] { compression({.length = 0}); }).find("length") != std::string::npos);
  CHECK(sentence_of([] { memorization({.vocabulary = 2}); }).find("vocabulary") != std::string::npos);
  CHECK(sentence_of([] { mqar({.vocabulary = 128}); }).find("vocabulary") != std::string::npos);
  CHECK(sentence_of([] { mqar({.length = 255}); }).find("length") != std::string::npos);
  CHECK(sentence_of([] { listops({.max_length = 501}); }).find("max_length") != std::string::npos);
  CHECK(sentence_of([] { listops({.operators = 0.9}); }).find("a million nodes") != std::string::npos);
  CHECK(sentence_of([] { listops({.max_depth = 2}).make(split::train, 0); }).find("a million trees") != std::string::npos);
  CHECK(sentence_of([] { compression({.train = -1}); }).find("numbers of samples") != std::string::npos);
  CHECK(sentence_of([] { mqar().make(split::test, 3000); }) == "coefdyn: mqar: index: expected 0 .. 2999 in split test, given 3000");
  CHECK(sentence_of([] { mqar().make(split::valid, 0); }) == "coefdyn: mqar: split: expected one that has samples, given valid");
  CHECK(sentence_of([] { epoch_order(1, 1, -1); }).find("given -1") != std::string::npos);
}

TEST_CASE("the smallest options have samples, whose tokens are in range") {
  const auto in_range = [](const auto& t) {
    for (const split s : {split::train, split::test})
      for (idx i = 0; i < 50; ++i) {
        const sample made = t.make(s, i);
        CHECK((!made.inputs.empty() && std::ssize(made.inputs) <= t.length()));
        for (const std::int64_t x : made.inputs) CHECK((x >= 0 && x < t.vocabulary()));
        for (const std::int64_t x : made.targets) CHECK((x == ignored || (x >= 0 && x < t.outputs())));
      }
  };
  in_range(in_context_recall({.vocabulary = 2, .length = 2}));
  in_range(noisy_in_context_recall({.vocabulary = 3, .length = 8, .noise_vocabulary = 1, .noise = 1}));
  in_range(fuzzy_in_context_recall({.vocabulary = 3, .length = 5, .key_size = 1, .value_size = 1}));
  in_range(selective_copying({.vocabulary = 3, .length = 3, .tokens = 1}));
  in_range(compression({.vocabulary = 2, .length = 1}));
  in_range(memorization({.vocabulary = 3, .length = 2}));
  in_range(mqar({.vocabulary = 4, .length = 4, .pairs = 1}));
  in_range(listops({.min_length = 0, .max_length = 2, .max_depth = 1}));
}
