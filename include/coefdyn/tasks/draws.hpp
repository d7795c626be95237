// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "../core/random.hpp"

/// Draws of several numbers from a stream. Their order is part of what a task is.
namespace coefdyn::tasks {

/// Permutes a list, each order as likely as the others (Fisher and Yates, from the end).
template <class T>
void shuffle(random_stream& r, std::vector<T>& list) {
  for (std::size_t i = list.size(); i-- > 1;) std::swap(list[i], list[r.below(i + 1)]);
}

/// `count` different numbers below n in the order drawn; repeats are drawn again, so count <= n is needed.
inline std::vector<std::int64_t> distinct(random_stream& r, std::size_t count, std::uint64_t n) {
  std::vector<bool> seen(n);
  std::vector<std::int64_t> out;
  out.reserve(count);
  while (out.size() < count) {
    const std::uint64_t x = r.below(n);
    if (!seen[x]) out.push_back(static_cast<std::int64_t>(x));
    seen[x] = true;
  }
  return out;
}

/// `count` different numbers of first .. first + n - 1 in order, by one draw each among those that are left; needs count <= n.
inline std::vector<std::int64_t> arrangement(random_stream& r, std::size_t count, std::int64_t first, std::size_t n) {
  std::vector<std::int64_t> rest(n), out;
  for (std::size_t i = 0; i < n; ++i) rest[i] = first + static_cast<std::int64_t>(i);
  for (; count-- > 0;) {
    const auto at = rest.begin() + static_cast<std::ptrdiff_t>(r.below(rest.size()));
    out.push_back(*at);
    rest.erase(at);
  }
  return out;
}

}  // namespace coefdyn::tasks
