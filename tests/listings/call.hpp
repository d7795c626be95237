// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/coefdyn.hpp>
#include <coefdyn/mixers/all.hpp>
#include <iostream>
#include <vector>

/// What listings take for granted: a mixer, its sizes, its tensors and what is carried between calls.
namespace coefdyn::listing {
using M = mixers::gated_deltanet;
inline constexpr idx B = 1, T = 64, H = 4, N = 1;
inline constexpr int n = 32, d = 32, h = 0, j = 1, depth = 4, capacity = 128, batch = 1, state_heads = 4, key_heads = 4;
inline std::vector<float> numbers(T* H* n, 0.1f);
inline tokens<M> x;
inline view<float, 4> y, dy;
inline gradients<M> g;
inline state<M> s(N, int(H), n, d), ds(N, int(H), n, d);
inline std::vector<std::byte> memory(1 << 20);
inline constexpr idx sequence = 0, i0 = 0, i1 = 8, j0 = 0, j1 = 8;
inline constexpr int reader = 0;
inline double out[64];
}  // namespace coefdyn::listing
