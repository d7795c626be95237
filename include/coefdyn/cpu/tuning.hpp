// SPDX-License-Identifier: MIT
#pragma once
#include <type_traits>

#include "../core/low_precision.hpp"
#include "../theorems.hpp"

/// Lengths and choices as pure functions of (mixer, types, n, d, T) alone, so that a batch row alone gives the same bits.
namespace coefdyn::cpu {

struct chunk_tuning {
  int chunk;           // tokens of a chunk
  int backward_chunk;  // tokens of a chunk of its backward
  int tile;            // tokens of a tile of the parallel form
  int window;          // tokens that the recurrent form gathers at once
};

/// Measured by bench/cpu_forms --length on AVX-512: short chunks save products, long ones are fewer. Rows of a chunk are
/// micro-steps, so a mixer of m micro-steps takes fewer tokens.
template <class M, class R>
constexpr chunk_tuning tuning_for(int n, int d) {
  using traits_ = traits<M>;
  constexpr bool corrects = traits_::structure.correction != rank_one::none;
  const bool small = n * d < 64 * 64, large = n * d >= 128 * 128;
  const auto tokens = [](int of) { return of / traits_::micro > 0 ? of / traits_::micro : 1; };
  return {.chunk = tokens(small ? 32 : 48),
          .backward_chunk = tokens(small   ? 32
                                   : large ? 48
                                           : 64),
          .tile = tokens((small ? 32 : 64) * (corrects ? 1 : 2)),
          .window = tokens(64)};
}

/// States of all heads up to so many bytes are taken to be in a cache from one step to the next.
inline constexpr idx cached_states = idx(16) << 20;

/// Whether a normalization's sum can come near 0 beside its terms, which then have to be exact: no readout map, or else no
/// feature map, keeps the weights from having either sign.
template <class M>
constexpr bool sum_may_cancel = [] {
  using traits_ = traits<M>;
  if constexpr (!traits_::needs_sum) return false;
  else if constexpr (requires { requires M::readout::is_nonnegative; }) return false;
  else if constexpr (traits_::linear && requires { requires M::feature_map::is_nonnegative; })
    return traits_::structure.correction != rank_one::none || traits_::structure.turns != turning::none || traits_::complex_state;
  else return true;
}();
/// Whether the forward of the chunkwise and parallel forms, and a step over a cache, which is the latter, rounds its products'
/// factors to bf16 where the machine multiplies those: tokens come and go in that type. Not where errors would add up (powers of
/// a dense map, several micro-steps a token) or terms cancel (exponential input gates, stabilised or not, and signed sums).
template <class M, class R, class X>
constexpr bool rounds_factors = std::is_same_v<typename X::types_type::storage, bf16> && std::is_same_v<R, float> &&
                                traits<M>::structured && traits<M>::micro == 1 && !traits<M>::exponential && !sum_may_cancel<M>;

enum class chosen_form { definition, parallel, recurrent, chunkwise };
constexpr const char* name_of(chosen_form f) {
  constexpr const char* names[] = {"definition", "parallel", "recurrent", "chunkwise"};
  return names[static_cast<int>(f)];
}

/// The least T from which float would lose digits in a sum of token after token, where chunks, which are summed first, cost about as
/// much: an error of 1.5e-4 after 10^6 tokens without decay, and 3e-6 by chunks. Corrections forget; a gate per channel, whose
/// chunks cost more, is left to the token loop: its error grows so only where its decays are 1 to the last digit.
template <class M>
constexpr idx shortest_long_sum(int n, int d) {
  using traits_ = traits<M>;
  if (traits_::structure.correction != rank_one::none || traits_::structure.decay == decaying::channel) return idx(1) << 40;
  if (traits_::structure.decay == decaying::none) return 8192;
  return n * d >= 256 ? 32768 : idx(1) << 40;
}
/// The cost table of form::automatic, measured on AVX-512 (float, H = 8): the least T from which chunks beat the token loop,
/// whose one pass over the state runs at the speed of the caches while the state fits there. With a gate per channel or a
/// correction, which cost chunks more than tokens, the loop wins at any T and n <= 128.
template <class M>
constexpr idx shortest_chunkwise(int n, int d) {
  using traits_ = traits<M>;
  constexpr bool corrects = traits_::structure.correction != rank_one::none;
  if (!traits_::structured) return 8;
  if (n * d <= (corrects || traits_::structure.decay == decaying::channel ? 128 * 128 : 64 * 64)) return shortest_long_sum<M>(n, d);
  return corrects ? 16 : 32;
}
/// The same of backward, whose token loop, unlike its chunks, has no products: for n = d = 32 a seventh to a sixteenth as fast at T = 128,
/// a fourth at 8. States of one column, which chunks have little use for, stay with it.
template <class M>
constexpr idx shortest_chunkwise_backward(int n, int d) {
  return traits<M>::structured && d >= 4 && n * d >= 64 ? 2 : shortest_chunkwise<M>(n, d);
}

/// What form::automatic runs for sequences of up to T tokens.
template <class M>
constexpr chosen_form chosen(idx T, int n = 128, int d = 128, bool backward = false) {
  if constexpr (form_exists<form::chunkwise, M>)
    return T < (backward ? shortest_chunkwise_backward<M>(n, d) : shortest_chunkwise<M>(n, d)) ? chosen_form::recurrent
                                                                                               : chosen_form::chunkwise;
  else if constexpr (form_exists<form::recurrent, M>) return chosen_form::recurrent;
  else if constexpr (form_exists<form::parallel, M>) return chosen_form::parallel;
  else return chosen_form::definition;
}

}  // namespace coefdyn::cpu
