// SPDX-License-Identifier: MIT
#pragma once
#include "../feature/unit.hpp"

namespace coefdyn::mixers {

namespace detail {
template <class Psi>
struct of_length_one {
  static_assert(
      maps_channels<Psi>,
      "coefdyn: mixers::unit_keys<M> divides what M's feature map gives by its length, and takes a feature map channel by channel; "
      "this one is of whole vectors. Give the mixer feature::l2, or a map of your own that ends in it.");
  using type = feature::l2;
};
template <class Psi>
  requires maps_channels<Psi>
struct of_length_one<Psi> {
  using type = feature::unit<Psi>;
};
template <>
struct of_length_one<feature::identity> {
  using type = feature::l2;
};
template <>
struct of_length_one<feature::l2> {
  using type = feature::l2;
};
template <class Psi>
struct of_length_one<feature::unit<Psi>> {
  using type = feature::unit<Psi>;
};
template <class M>
struct with_unit_keys;
template <class Phi, class A, class B, class Eta, class Psi>
struct with_unit_keys<mixer<Phi, A, B, Eta, Psi>> {
  using type = mixer<Phi, A, B, Eta, typename of_length_one<Psi>::type>;
};
}  // namespace detail

/// M with queries and keys of length 1, as the published layers of the delta rules have them: feature::l2 after M's own feature map,
/// which has to be channel by channel. beta |k|^2 <= 2 then holds for every beta in [0, 2], and the state stays finite.
///
/// ```cpp
/// tokens<mixers::unit_keys<mixers::gated_deltanet>> unit;  // the same streams; gradients go through the division
/// ```
///
/// Vectors that a correction names itself are used as given, whatever the keys are: z of householder<along::z>, a and c.
template <class M>
using unit_keys = typename detail::with_unit_keys<M>::type;

}  // namespace coefdyn::mixers
