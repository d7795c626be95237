// SPDX-License-Identifier: MIT
#pragma once
#include <numeric>

#include "draws.hpp"
#include "task.hpp"

namespace coefdyn::tasks {

/// The permutation of 0 .. n - 1 in which an epoch visits the samples of a task.
///
/// error   invalid_input for n below 0
inline std::vector<idx> epoch_order(std::uint64_t seed, std::uint64_t epoch, idx n) {
  detail::expect(n >= 0, "epoch_order", "n", "0 or more", n);
  std::vector<idx> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  random_stream r(seed, std::uint64_t(detail::stream_of::order), epoch, 0);
  shuffle(r, order);
  return order;
}

}  // namespace coefdyn::tasks
