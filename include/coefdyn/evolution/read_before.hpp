// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"
#include "../core/principle.hpp"

namespace coefdyn::evolution {

/// Reads before it decays and writes: y_i = q_i' (S_{i-1} + diag(u) b_i k_i v_i') / eta_i, then S_i = A_i S_{i-1} + b_i k_i v_i'.
/// alpha_{i,j} has the product over t = j+1 .. i-1, its diagonal is q_i' diag(u) b_i k_i.
///
/// streams those of A, and u [H, n], used as given (not exponentiated, no 1 added)
/// range   as A
/// error   refused for an A that writes several times per token
/// source  RWKV-6, arXiv:2404.05892
template <class A>
struct read_before : A {
  using streams = merged<detail::streams_t<A>, list<fixed_per_channel<stream::u>>>;
  static constexpr bool reads_before_write = true;
  template <class At>
  COEFDYN_HD static auto bonus(const At& at, int c) {
    return at.u[c];
  }
};

template <declares_structure A>
struct read_before<A> : A {
  using streams = merged<detail::streams_t<A>, list<fixed_per_channel<stream::u>>>;
  static constexpr structure_of structure = [] {
    structure_of s = structure_v<A>;
    s.order = reads::before_write;
    return s;
  }();
  template <class At>
  COEFDYN_HD static auto bonus(const At& at, int c) {
    return at.u[c];
  }
  static_assert(structure_v<A>.micro_steps == 1 || !structure_v<A>.writes_each,
                "coefdyn: evolution::read_before<A> needs an A that writes once per token, since its bonus weighs that write; drop "
                "evolution::writes.");
};

}  // namespace coefdyn::evolution
