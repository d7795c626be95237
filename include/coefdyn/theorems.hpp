// SPDX-License-Identifier: MIT
#pragma once
#include "core/form.hpp"
#include "core/mixer.hpp"

/// Which form exists for which mixer: one sentence per theorem, checked before any kernel is named.
namespace coefdyn {

/// Whether products of A_t over a chunk are made of products of its parts.
template <class M>
constexpr bool is_chunkable = traits<M>::structured || traits<M>::structure.constant;

/// Whether mixer M has form F, by Lemma 1 and by the structure of A_t.
template <class F, class M>
constexpr bool form_exists = false;
template <class M>
constexpr bool form_exists<form::definition, M> = true;
template <class M>
constexpr bool form_exists<form::parallel, M> = traits<M>::structured;
template <class M>
constexpr bool form_exists<form::recurrent, M> = traits<M>::linear;
template <class M>
constexpr bool form_exists<form::chunkwise, M> = traits<M>::linear && is_chunkable<M>;
template <class M>
constexpr bool form_exists<form::step, M> = true;
template <class M>
constexpr bool form_exists<form::automatic, M> = true;

/// The only compile-time error of a form that a mixer cannot have.
template <class F, class M>
consteval void theorem() {
  if constexpr (std::is_same_v<F, form::recurrent>) {
    static_assert(traits<M>::linear,
                  "coefdyn: a recurrent form with a state of n x d exists only for a linear readout map (Lemma 1). "
                  "Use form::parallel, or a mixer whose readout has is_linear = true.");
  } else if constexpr (std::is_same_v<F, form::chunkwise>) {
    static_assert(traits<M>::linear,
                  "coefdyn: a chunkwise form carries a state, which exists only for a linear readout map (Lemma 1). "
                  "Use form::parallel, or a mixer whose readout has is_linear = true.");
    static_assert(!traits<M>::linear || is_chunkable<M>,
                  "coefdyn: a chunkwise form needs an evolution with a declared structure, or one that is constant in time. "
                  "Use form::recurrent, or give the evolution a structure_of.");
  } else if constexpr (std::is_same_v<F, form::parallel>) {
    static_assert(traits<M>::structured,
                  "coefdyn: a parallel form moves queries through tiles, which needs an evolution with a declared structure. "
                  "Use form::definition, or give the evolution a structure_of.");
  }
}

}  // namespace coefdyn
