// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>
#include <cstdint>
#include <initializer_list>

#include "config.hpp"

namespace coefdyn {

/// A counter-based stream of random numbers: word i is a function of the key and i, so samples are independent of order and thread.
///
/// ```cpp statements
/// random_stream r(1234, 7, 0, 5);  // seed, task, split, index
/// const auto digit = r.below(10);
/// const double x = r.unit(), y = r.normal();
/// const bool heads_up = r.coin(0.5);
/// ```
///
/// range   integers and unit() are the same bits on every machine; normal() within the rounding of log and cos
/// source  the mixing function of SplitMix64 (Steele, Lea and Flood, 2014)
class random_stream {
 public:
  random_stream(std::uint64_t seed, std::uint64_t task, std::uint64_t split, std::uint64_t index) {
    for (const std::uint64_t word : {seed, task, split, index}) key_ = mix(key_ ^ mix(word + golden));
  }
  std::uint64_t word() { return word_at(next_++); }
  /// Word i, wherever the stream is.
  COEFDYN_HD std::uint64_t word_at(std::uint64_t i) const { return mix(key_ + (i + 1) * golden); }
  /// Uniform over 0 .. n - 1: the high 64 bits of word * n.
  std::uint64_t below(std::uint64_t n) {
    const std::uint64_t w = word(), low = (w & 0xffffffff) * (n & 0xffffffff), mid = (w >> 32) * (n & 0xffffffff) + (low >> 32),
                        other = (w & 0xffffffff) * (n >> 32) + (mid & 0xffffffff);
    return (w >> 32) * (n >> 32) + (mid >> 32) + (other >> 32);
  }
  /// Uniform over [0, 1), a multiple of 2^-53.
  double unit() { return unit_of(word()); }
  COEFDYN_HD static double unit_of(std::uint64_t word) { return static_cast<double>(word >> 11) * 0x1p-53; }
  /// True with probability p; draws nothing where p <= 0.
  bool coin(double p) { return p > 0 && unit() < p; }
  double uniform(double low, double high) { return low + (high - low) * unit(); }
  /// Normal with mean 0 and variance 1, from two units (Box and Muller).
  double normal() {
    const double radius = std::sqrt(-2 * std::log1p(-unit()));
    return radius * std::cos(6.283185307179586476925 * unit());
  }

 private:
  static constexpr std::uint64_t golden = 0x9E3779B97F4A7C15;
  COEFDYN_HD static constexpr std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  std::uint64_t key_ = 0, next_ = 0;
};

}  // namespace coefdyn
