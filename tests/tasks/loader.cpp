// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/tasks/fuzzy_in_context_recall.hpp>
#include <coefdyn/tasks/listops.hpp>
#include <coefdyn/tasks/loader.hpp>

namespace {

using namespace coefdyn;
using namespace coefdyn::tasks;

template <task T>
void same_for_any_workers(const T& t) {
  const auto indices = epoch_batches(3, 1, 50, 7);
  for (const int workers : {1, 2, 5}) {
    loader<T> load(t, split::train, indices, workers, 3);
    for (const auto& of : indices) {
      const auto b = load.next();
      REQUIRE(b.has_value());
      const batch want = make_batch(t, split::train, of);
      CHECK((b->inputs == want.inputs && b->targets == want.targets && b->lengths == want.lengths && b->rows == want.rows));
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
