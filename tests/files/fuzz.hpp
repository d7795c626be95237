// SPDX-License-Identifier: MIT
#pragma once
#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <vector>

#include "support.hpp"

/// Readers on files with a few bytes changed: each reads or refuses with a sentence, in memory that the file's size bounds. The same files
/// on every run; COEFDYN_FUZZ_SECONDS=600 goes on with new ones for so long, in each case.
namespace file_tests {

struct random_numbers {
  std::uint64_t state;
  std::uint64_t next() {  // splitmix64
    std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  std::size_t below(std::size_t n) { return n ? static_cast<std::size_t>(next() % n) : 0; }
};

inline std::string mutated(std::string s, random_numbers& r, const std::vector<std::string>& words) {
  for (std::size_t changes = 1 + r.below(4); changes-- > 0;) {
    const std::size_t at = r.below(s.size() + 1), length = r.below(std::min<std::size_t>(s.size() - at, 24) + 1);
    constexpr std::uint64_t edges[] = {
        0, 1, 7, 8, 255, 65535, (1u << 31) - 1, 1u << 31, ~0u, 1ull << 32, 1ull << 62, (1ull << 63) - 1, 1ull << 63, ~0ull};
    switch (r.below(8)) {
      case 0:
        if (at < s.size()) s[at] = static_cast<char>(s[at] ^ (1 << r.below(8)));
        break;
      case 1:
        if (at < s.size()) s[at] = static_cast<char>(r.next());
        break;
      case 2:
        s.erase(at, length);
        break;
      case 3:
        s.insert(at, s.substr(r.below(s.size() + 1), length));
        break;
      case 4:
        s.insert(at, words[r.below(words.size())]);
        break;
      case 5:
        s.replace(at, length, words[r.below(words.size())]);
        break;
      case 6:
        if (s.size() >= 8) s.replace(r.below(s.size() / 8) * 8, 8, little_endian(edges[r.below(std::size(edges))], 8));
        break;
      default:
        s.replace(at, length, std::to_string(edges[r.below(std::size(edges))]));
        break;
    }
    if (s.size() > 8192) s.resize(8192);
  }
  return s;
}

/// Runs `read` on mutations of the seeds; it returns normally, or throws Error. Counts those that were read.
template <class Error, class Repair, class Read>
std::size_t fuzz(const std::vector<std::string>& seeds, const std::vector<std::string>& words, std::size_t times_of_size, Repair repair,
                 Read read, std::size_t least_memory = 16384, std::size_t least_runs = 12000) {
  const char* const wish = std::getenv("COEFDYN_FUZZ_SECONDS");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(wish ? std::atoi(wish) : 0);
  std::size_t accepted = 0, runs = 0;
  for (random_numbers r{1}; runs < least_runs || std::chrono::steady_clock::now() < end; ++runs) {
    std::string s = mutated(seeds[r.below(seeds.size())], r, words);
    if (r.below(2)) repair(s);
    const std::string exact(s);  // no spare bytes behind, so that the sanitizer sees a read beyond
    std::string said;
    bool was_read = false;
    const std::size_t cost = peak_of([&] {
      said = message<Error>([&] {
        read(exact);
        was_read = true;
      });
    });
    accepted += was_read;
    if (was_read == said.empty() && (was_read || said.starts_with("coefdyn: name")) && cost <= times_of_size * exact.size() + least_memory)
      continue;
    FAIL_CHECK("run ", runs, ": read ", was_read, ", memory ", cost, " for ", exact.size(), " bytes, said: ", said);
  }
  MESSAGE(runs, " files, ", accepted, " of them read");
  return accepted;
}

}  // namespace file_tests
