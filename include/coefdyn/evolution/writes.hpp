// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"

namespace coefdyn::evolution {

/// Writes m times per token: m keys, values and per-write streams (micro-step l of token t at row t m + l), each write after
/// its own factor of A; the decay acts once, before micro-step 0; one read at the end. alpha is T x T m.
///
/// streams those of A, its per-write streams with T m rows
/// range   as A
/// error   refused for an A that already has micro-steps, or that has no structure
/// source  DeltaProduct, arXiv:2502.10297
template <int Writes, class A>
struct writes : A {
  static constexpr structure_of structure = [] {
    structure_of s = structure_v<A>;
    s.micro_steps = Writes;
    s.constant = false;
    return s;
  }();
  static_assert(Writes >= 1, "coefdyn: evolution::writes<m, A> writes at least once per token.");
  static_assert(declares_structure<A>,
                "coefdyn: evolution::writes<m, A> needs an A with a declared structure; a linear map without one writes once per token.");
  static_assert(structure_v<A>.micro_steps == 1, "coefdyn: evolution::writes<m, A> needs an A without micro-steps of its own.");
  static_assert(structure_v<A>.order == reads::after_write,
                "coefdyn: evolution::writes<m, A> reads after its last write; drop read_before.");
};

}  // namespace coefdyn::evolution
