// SPDX-License-Identifier: MIT
#pragma once
#include "../../core/mixer.hpp"
#include "../products/products.hpp"
#include "rows.hpp"

/// A readout map on many scores at once. A map that declares its one exponential (`exponent`, see readout/silu.hpp) takes it from the
/// vector kernels; any other map runs as it is written.
namespace coefdyn::cpu {

template <class Phi>
concept is_multiple_of_exp = requires { requires Phi::needs_max; };  // phi(s + c) = e^c phi(s), so phi(s) = phi(0) e^s
template <class Phi, class R>
concept weighs_by_exponential = requires(R s) { Phi::apply(s, Phi::exponent(s)); };
template <class Phi, class R>
concept slopes_by_exponential = requires(R s) { Phi::derivative(s, Phi::exponent(s)); };

inline constexpr int scores_at_once = 256;

/// e := e^exponent(z).
template <class Phi, class R>
void exponentials(const products<R>& machine, int count, const R* z, R* e) {
  by_channel(count, e, [&](int c) { return Phi::exponent(z[c]); });
  machine.exp(count, e, e);
}
/// z := phi(z) = phi(0) e^z.
template <class Phi, class R>
void multiple_of_exp(const products<R>& machine, idx count, R* z) {
  machine.exp(count, z, z);
  const R at_zero = Phi::apply(R(0));
  if (at_zero != R(1))
    for (idx i = 0; i < count; ++i) z[i] = at_zero * z[i];
}

/// z := phi(z).
template <class Phi, class R>
void apply_readout(const products<R>& machine, idx count, R* z) {
  if constexpr (is_multiple_of_exp<Phi>) {
    multiple_of_exp<Phi>(machine, count, z);
  } else if constexpr (weighs_by_exponential<Phi, R>) {
    R e[scores_at_once];
    for (idx i = 0; i < count; i += scores_at_once, z += scores_at_once) {
      const int here = count - i < scores_at_once ? static_cast<int>(count - i) : scores_at_once;
      exponentials<Phi>(machine, here, z, e);
      by_channel(here, z, [&](int c) { return Phi::apply(z[c], e[c]); });
    }
  } else {
    by_channel(static_cast<int>(count), z, [&](int c) { return Phi::apply(z[c]); });
  }
}

/// g := phi'(z) g and z := phi(z).
template <class Phi, class R>
void slope_readout(const products<R>& machine, idx count, R* z, R* g) {
  for (idx i = 0; i < count; i += scores_at_once, z += scores_at_once, g += scores_at_once) {
    const int here = count - i < scores_at_once ? static_cast<int>(count - i) : scores_at_once;
    if constexpr (is_multiple_of_exp<Phi>) {
      multiple_of_exp<Phi>(machine, here, z);
      by_channel(here, g, [&](int c) { return z[c] * g[c]; });
    } else if constexpr (slopes_by_exponential<Phi, R>) {
      R e[scores_at_once];
      exponentials<Phi>(machine, here, z, e);
      by_channel(here, g, [&](int c) { return g[c] * Phi::derivative(z[c], e[c]); });
      if constexpr (weighs_by_exponential<Phi, R>) by_channel(here, z, [&](int c) { return Phi::apply(z[c], e[c]); });
      else apply_readout<Phi>(machine, here, z);
    } else {
      by_channel(here, g, [&](int c) { return g[c] * slope<Phi>(z[c]); });
      apply_readout<Phi>(machine, here, z);
    }
  }
}

}  // namespace coefdyn::cpu
