// SPDX-License-Identifier: MIT
#pragma once
#include "config.hpp"

/// What a policy declares for the six design principles (arXiv:2510.09389); a policy may leave it out.
namespace coefdyn {

enum class near_zero_set { none, hyperplane, half_line, half_space };  // where phi is (nearly) zero
enum class contraction { yes, no, depends };                           // |A_t| <= 1: always, never, on its streams

}  // namespace coefdyn
