// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <type_traits>

#include "../../core/config.hpp"
#include "../../core/dual.hpp"

/// Angles that add up, and pairs of numbers turned by them.
namespace coefdyn::cpu {

/// Where float would lose what an exponential or a long chunk needs (scores of the definition, angles that add up): double.
template <class R>
using double_of = std::conditional_t<std::is_same_v<R, float>, double, R>;

/// (x, y) turned by the angle of cos and sin.
template <class R>
COEFDYN_HD void turn_pair(R co, R si, R& x, R& y) {
  const R a = x, b = y;
  x = a * co - b * si;
  y = a * si + b * co;
}

template <class W>
COEFDYN_HD std::int64_t whole_turns(const W& angle) {
  if constexpr (is_dual<W>) return whole_turns(angle.v);
  else return static_cast<std::int64_t>(angle * 0.15915494309189533577 + (angle < 0 ? -0.5 : 0.5));
}
/// An angle less whole turns, so that it keeps its digits over any number of tokens.
template <class W>
COEFDYN_HD W within_a_turn(const W& angle) {
  constexpr double turn = 6.283185307179586477, most = 1e15;
  if (angle > W(-turn / 2) && angle < W(turn / 2)) return angle;
  if (!(angle > W(-most) && angle < W(most))) return angle;
  return angle - W(turn * static_cast<double>(whole_turns(angle)));
}

}  // namespace coefdyn::cpu
