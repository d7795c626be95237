// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/coefdyn.hpp>

/// What listings of Eigen's matrices take for granted: a mixer with a decay that is fixed and a beta for each token.
namespace coefdyn::listing {
using M = mixer<readout::linear, evolution::fixed_scalar, scaling::beta, normalization::one>;
inline constexpr idx B = 1, T = 64, H = 4, N = 1;
inline constexpr int n = 32, d = 32, h = 0;
inline tokens<M> x;
inline state<M> s(N, int(H), n, d);
}  // namespace coefdyn::listing
