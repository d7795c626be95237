// SPDX-License-Identifier: MIT
#pragma once
#include "config.hpp"

/// What a policy declares for the six design principles (arXiv:2510.09389); a policy may leave it out.
namespace coefdyn {

enum class near_zero_set { none, hyperplane, half_line, half_space };  // where phi is (nearly) zero
enum class variance_factor { not_declared, none, sqrt_dim };           // what a fixed 1 / sqrt(n) does to q'h: nothing, keeps it at O(1)
enum class contraction { yes, no, depends };                           // |A_t| <= 1: always, never, on its streams

template <class P>
constexpr variance_factor variance_of = variance_factor::not_declared;
template <class P>
  requires requires { P::variance; }
constexpr variance_factor variance_of<P> = P::variance;

}  // namespace coefdyn
