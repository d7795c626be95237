// SPDX-License-Identifier: MIT
#pragma once
#include "../core/tokens.hpp"
#include "../evolution/diagonal.hpp"
#include "../scaling/one_minus_lambda.hpp"

/// Which of the Hopper kernels a mixer's type admits. Sizes, strides and the device decide at the call (`chosen_kernel`); what is
/// not served runs on the generic engine. No CUDA here, so that tables can be made without it.
namespace coefdyn::cuda {

namespace numbers {
/// Which numbers of a mixer differ from token to token.
template <class M>
struct kinds {
  static constexpr bool decay = traits<M>::structure.decay != decaying::none;
  static constexpr bool scale = basis_of<typename M::scaling> != basis::sizes;
  static constexpr bool read = !traits<M>::needs_sum && basis_of<typename M::normalization> != basis::sizes;
  static constexpr bool turn = traits<M>::structure.turns != turning::none;
  static constexpr bool strength = traits<M>::structure.correction != rank_one::none;
  static constexpr bool any = decay || scale || read || strength;
  /// Whether they see no vector, so that they can be made ahead of the rows.
  static constexpr bool ahead = traits<M>::structure.decay != decaying::channel && traits<M>::scale_is_scalar && !traits<M>::exponential &&
                                (!(decay || turn || strength) || basis_of<typename M::evolution> != basis::token) &&
                                basis_of<typename M::scaling> != basis::token &&
                                (traits<M>::needs_sum || basis_of<typename M::normalization> != basis::token);
};
}  // namespace numbers

/// A_t is a number at most, or a constant rotation with one; one write a token.
template <class M>
constexpr bool is_scalar_family = [] {
  constexpr structure_of s = traits<M>::structure;
  return traits<M>::structured && !traits<M>::complex_state && traits<M>::micro == 1 && s.correction == rank_one::none &&
         (s.turns == turning::none || s.constant) && s.order == reads::after_write && numbers::kinds<M>::ahead;
}();
/// sweep.cuh and segments.cuh: the chunkwise form; sums of rows by sum.cuh, where no angle turns them and eta reads nothing else.
template <class M>
constexpr bool has_sweep = is_scalar_family<M> && traits<M>::linear &&
                           (!traits<M>::needs_sum || (!numbers::kinds<M>::turn && basis_of<typename M::normalization> == basis::sizes));
/// Whether the policy says that what reads a Householder's state is k_t itself.
template <class E>
constexpr bool reads_along_key = [] {
  if constexpr (requires { E::row_is_key; }) return bool(E::row_is_key);
  else return false;
}();
/// delta.cuh: the chunkwise form; a number at most, and a correction along the key that is written.
template <class M>
constexpr bool has_delta = [] {
  constexpr structure_of s = traits<M>::structure;
  return traits<M>::structured && traits<M>::linear && !traits<M>::complex_state && traits<M>::micro == 1 &&
         s.correction == rank_one::along_key && s.row_sees == sees::decayed && reads_along_key<typename M::evolution> &&
         s.turns == turning::none && s.order == reads::after_write && !traits<M>::needs_sum && numbers::kinds<M>::ahead;
}();
/// Whether b is 1 - lambda, per channel.
template <class M>
constexpr bool writes_complement = std::is_same_v<typename M::scaling, scaling::one_minus_lambda>;
/// channel.cuh: the chunkwise form, forward; a decay per channel that is a stream as it lies, no correction.
template <class M>
constexpr bool has_channel = [] {
  constexpr structure_of s = traits<M>::structure;
  return traits<M>::structured && traits<M>::linear && !traits<M>::complex_state && traits<M>::micro == 1 &&
         s.correction == rank_one::none && s.turns == turning::none && s.order == reads::after_write && !traits<M>::needs_sum &&
         !traits<M>::stabilised && std::is_same_v<typename M::evolution, evolution::diagonal> &&
         (writes_complement<M> || !numbers::kinds<M>::scale) && !numbers::kinds<M>::read;
}();
/// flash.cuh: the parallel form.
template <class M>
constexpr bool has_flash = is_scalar_family<M> && !traits<M>::has_feature && !numbers::kinds<M>::scale && !numbers::kinds<M>::read &&
                           (!traits<M>::needs_sum || traits<M>::divides_by_sum);
/// step.cuh: up to 8 tokens with a state, float arithmetic.
template <class M>
constexpr bool has_step = traits<M>::linear && traits<M>::structured;
/// walk_backward.cuh: the gradients of whole sequences of a small real state that nothing turns, float arithmetic.
template <class M>
constexpr bool has_walk_backward = has_step<M> && !traits<M>::complex_state && traits<M>::structure.turns == turning::none;
/// scan.cuh: diagonal evolutions over states of few columns; float arithmetic.
template <class M>
constexpr bool has_scan =
    traits<M>::linear && traits<M>::structured && traits<M>::micro == 1 && traits<M>::structure.decay == decaying::channel &&
    traits<M>::structure.correction == rank_one::none && !traits<M>::needs_sum && !traits<M>::stabilised &&
    (traits<M>::structure.turns == turning::none || traits<M>::complex_state) && !traits<M>::has_feature;
/// bf16 rows, float gates and arithmetic, real q and k.
template <class R, class X>
constexpr bool has_rows_of_bf16 = std::is_same_v<R, float> && std::is_same_v<typename X::types_type::storage, bf16> &&
                                  std::is_same_v<typename X::types_type::gate, float> && X::over == field::real;

}  // namespace coefdyn::cuda
