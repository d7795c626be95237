// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/tasks/fuzzy_in_context_recall.hpp>
#include <coefdyn/tasks/listops.hpp>
#include <coefdyn/tasks/loader.hpp>

namespace {

using namespace coefdyn;
using namespace coefdyn::tasks;

bool same(const batch& a, const batch& b) {
  return a.inputs == b.inputs && a.targets == b.targets && a.lengths == b.lengths && a.rows == b.rows && a.length == b.length;
}
bool same(const packed_batch& a, const packed_batch& b) {
  return a.inputs == b.inputs && a.targets == b.targets && a.cu_seqlens == b.cu_seqlens && a.rows == b.rows && a.length == b.length;
}
template <class Layout = padded, task T>
void same_for_any_workers(const T& t, const Layout& layout = {}) {
  const auto indices = epoch_batches(3, 1, 50, 7);
  for (const int workers : {1, 2, 5}) {
    loader<T, Layout> load(t, split::train, indices, workers, 3, layout);
    for (const auto& of : indices) {
      const auto b = load.next();
      REQUIRE(b.has_value());
      CHECK(same(*b, layout(t, split::train, of)));
    }
    CHECK(!load.next().has_value());
    CHECK(!load.next().has_value());
  }
}

}  // namespace

TEST_CASE("loader: batches in order, the same for any number of workers") {
  same_for_any_workers(fuzzy_in_context_recall());
  same_for_any_workers(listops({.min_length = 5, .max_length = 60}));
}
TEST_CASE("loader: packed rows, the same for any number of workers") {
  const fuzzy_in_context_recall t({.length = 37});
  same_for_any_workers(t, packed{.length = 16});
  same_for_any_workers(t, packed{.length = 100});
  loader<fuzzy_in_context_recall, packed> load(t, split::train, {{4, 9}, {0}}, 2, 4, {.length = 50});
  const auto b = load.next();
  CHECK((b->rows == 2 && b->length == 50 && b->cu_seqlens == std::vector<std::int64_t>{0, 37, 50, 74, 100}));
  const token_list second = t.make(split::train, 9).inputs;
  CHECK(std::equal(second.begin(), second.end(), b->inputs.begin() + 37));
  loader<fuzzy_in_context_recall, packed> none(t, split::train, {{0}}, 1, 4, {.length = 0});
  CHECK_THROWS_AS(none.next(), invalid_input);
}
TEST_CASE("loader: left early, empty, and errors at their batch") {
  const fuzzy_in_context_recall t({.train = 10});
  for (int i = 0; i < 50; ++i) {
    loader<fuzzy_in_context_recall> load(t, split::train, epoch_batches(1, 0, 10, 1), 3, 2);
    if (i % 2) CHECK(load.next().has_value());
  }
  CHECK(!loader<fuzzy_in_context_recall>(t, split::train, {}).next().has_value());
  loader<fuzzy_in_context_recall> load(t, split::train, {{0, 1}, {2, 10}, {3}}, 2);
  CHECK(load.next()->rows == 2);
  CHECK_THROWS_AS(load.next(), invalid_input);
  CHECK(load.next()->rows == 1);
  CHECK_THROWS_AS((loader<fuzzy_in_context_recall>(t, split::train, {{0}}, 0)), invalid_input);
  CHECK_THROWS_AS((loader<fuzzy_in_context_recall>(t, split::train, {{0}}, 1, 0)), invalid_input);
}
