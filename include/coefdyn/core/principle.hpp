// SPDX-License-Identifier: MIT
#pragma once
#include "config.hpp"

/// What a policy declares for the six design principles (arXiv:2510.09389); a policy may leave it out.
namespace coefdyn {

/// Where phi is (nearly) zero.
enum class near_zero_set { none, hyperplane, half_line, half_space };
/// What a fixed 1 / sqrt(n) does to the variance of q'h: nothing, or keeps it at O(1).
enum class variance_factor { not_declared, none, sqrt_dim };
/// Whether |A_t| <= 1: always, not, or as its streams are.
enum class contraction { yes, no, depends };

/// What a policy declares of it.
template <class P>
constexpr variance_factor variance_of = variance_factor::not_declared;
template <class P>
  requires requires { P::variance; }
constexpr variance_factor variance_of<P> = P::variance;

}  // namespace coefdyn
