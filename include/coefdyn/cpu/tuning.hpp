// SPDX-License-Identifier: MIT
#pragma once
#include "../theorems.hpp"

/// Lengths and choices as pure functions of (mixer, types, n, d, T) alone, so that a batch row alone gives the same bits.
namespace coefdyn::cpu {

struct chunk_tuning {
  int chunk;  // tokens of a chunk
  int tile;   // tokens of a tile of the parallel form
};

/// Rows of a chunk are micro-steps, so a mixer of m micro-steps takes fewer tokens.
template <class M, class R>
constexpr chunk_tuning tuning_for(int n, int d) {
  const int rows = n * d >= 64 * 64 ? 64 : 32;
  const int tokens = rows / traits<M>::micro;
  return {tokens > 0 ? tokens : 1, tokens > 0 ? tokens : 1};
}

enum class chosen_form { definition, parallel, recurrent, chunkwise };
constexpr const char* name_of(chosen_form f) {
  constexpr const char* names[] = {"definition", "parallel", "recurrent", "chunkwise"};
  return names[static_cast<int>(f)];
}

/// The cost table of form::automatic: below this many tokens the token loop is cheaper than a chunk's set-up.
template <class M>
constexpr idx shortest_chunkwise = 8;

/// What form::automatic runs for sequences of up to T tokens.
template <class M>
constexpr chosen_form chosen(idx T) {
  if constexpr (form_exists<form::chunkwise, M>) return T < shortest_chunkwise<M> ? chosen_form::recurrent : chosen_form::chunkwise;
  else if constexpr (form_exists<form::recurrent, M>) return chosen_form::recurrent;
  else if constexpr (form_exists<form::parallel, M>) return chosen_form::parallel;
  else return chosen_form::definition;
}

}  // namespace coefdyn::cpu
