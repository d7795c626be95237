// SPDX-License-Identifier: MIT
#pragma once
#include "../../readout/elu_plus_one.hpp"
#include "../../readout/exponential.hpp"
#include "../../readout/sigmoid.hpp"
#include "../../readout/silu.hpp"
#include "../../readout/softplus.hpp"
#include "../products/products.hpp"
#include "rows.hpp"

/// A readout map on many scores at once. Maps made of an exponential take it from the vector kernels; any other map, a
/// user's too, runs as it is written.
namespace coefdyn::cpu {

/// z := phi(z).
template <class Phi, class R>
void apply_readout(const products<R>& px, idx count, R* z) {
  constexpr int block = 256;
  constexpr bool by_sigmoid = std::is_same_v<Phi, readout::sigmoid> || std::is_same_v<Phi, readout::silu>;
  constexpr bool is_elu = std::is_same_v<Phi, readout::elu_plus_one>;
  if constexpr (std::is_same_v<Phi, readout::exponential>) {
    px.exp(count, z, z);
  } else if constexpr (by_sigmoid || is_elu) {
    R e[block];
    for (idx i = 0; i < count; i += block, z += block) {
      const int here = count - i < block ? static_cast<int>(count - i) : block;
      by_channel(here, e, [&](int c) { return is_elu ? math::min(z[c], R(0)) : -math::abs(z[c]); });
      px.exp(here, e, e);
      by_channel(here, z, [&](int c) {
        if constexpr (is_elu) return math::select(z[c] > R(0), z[c] + R(1), e[c]);
        else {
          const R s = math::select(z[c] < R(0), e[c], R(1)) / (R(1) + e[c]);
          return std::is_same_v<Phi, readout::silu> ? z[c] * s : s;
        }
      });
    }
  } else {
    by_channel(static_cast<int>(count), z, [&](int c) { return Phi::apply(z[c]); });
  }
}

/// g := phi'(z) g and z := phi(z).
template <class Phi, class R>
void slope_readout(const products<R>& px, idx count, R* z, R* g) {
  constexpr int block = 256;
  constexpr bool by_sigmoid =
      std::is_same_v<Phi, readout::sigmoid> || std::is_same_v<Phi, readout::silu> || std::is_same_v<Phi, readout::softplus>;
  for (idx i = 0; i < count; i += block, z += block, g += block) {
    const int here = count - i < block ? static_cast<int>(count - i) : block;
    if constexpr (std::is_same_v<Phi, readout::exponential>) {
      px.exp(here, z, z);
      by_channel(here, g, [&](int c) { return z[c] * g[c]; });
    } else if constexpr (by_sigmoid) {
      R s[block];
      copy(here, z, s);
      apply_readout<readout::sigmoid>(px, here, s);
      by_channel(here, g, [&](int c) {
        if constexpr (std::is_same_v<Phi, readout::sigmoid>) return g[c] * (s[c] * (R(1) - s[c]));
        else if constexpr (std::is_same_v<Phi, readout::silu>) return g[c] * (s[c] + z[c] * s[c] * (R(1) - s[c]));
        else return g[c] * s[c];
      });
      if constexpr (std::is_same_v<Phi, readout::softplus>) apply_readout<Phi>(px, here, z);
      else by_channel(here, z, [&](int c) { return std::is_same_v<Phi, readout::silu> ? z[c] * s[c] : s[c]; });
    } else {
      by_channel(here, g, [&](int c) { return g[c] * slope<Phi>(z[c]); });
      apply_readout<Phi>(px, here, z);
    }
  }
}

}  // namespace coefdyn::cpu
