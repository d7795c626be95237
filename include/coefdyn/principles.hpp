// SPDX-License-Identifier: MIT
#pragma once
#include <string>

#include "core/principle.hpp"
#include "theorems.hpp"

/// The six design principles of coefficient dynamics as compile-time facts about a mixer.
///
/// ```cpp with call
/// static_assert(!principles<mixers::softmax_attention>::recurrence);
/// static_assert(principles<mixers::gla>::key_motion == motion::scales_axes);
/// inline void six_lines() { std::cout << principles<M>{}; }  // principles<M>::text() is the string
/// ```
///
/// source  arXiv:2510.09389
namespace coefdyn {

/// What a policy declares, or nothing.
template <class T>
struct declared {
  bool given = false;
  T value{};
  friend constexpr bool operator==(declared a, T b) { return a.given && a.value == b; }
};

/// Position: A_t != I, or embeddings added to q and k.
enum class position_from { evolution, embedding };
/// What A_t can do to a key.
enum class motion { none, scales, scales_axes, turns, reflects, any };
/// What keeps q'h at O(1).
enum class variance_from { fixed_factor, gate, sum, nothing, not_declared };
/// What keeps coefficients bounded.
enum class bound_by { nonnegative_sum, signed_sum, floored_sum, gate, contraction, streams, nothing, not_declared };

namespace detail {
template <class P>
constexpr bool declares_nonnegative = false;
template <class P>
  requires requires { P::is_nonnegative; }
constexpr bool declares_nonnegative<P> = P::is_nonnegative;

template <class E>
constexpr motion motion_of() {
  constexpr structure_of s = structure_v<E>;
  if (!declares_structure<E>) return motion::any;
  if (s.correction != rank_one::none) return motion::reflects;
  if (s.turns != turning::none) return motion::turns;
  return s.decay == decaying::channel ? motion::scales_axes : s.decay == decaying::scalar ? motion::scales : motion::none;
}
/// Non-negative features stay so under a decay, not under rotations, reflections or what is not known.
template <class M>
constexpr bool nonnegative_weights() {
  constexpr motion m = motion_of<typename M::evolution>();
  return declares_nonnegative<typename M::readout> || (M::readout::is_linear && declares_nonnegative<typename M::feature_map> &&
                                                       (m == motion::none || m == motion::scales || m == motion::scales_axes));
}
template <class M>
constexpr variance_from variance_kept() {
  using B = typename M::scaling;
  using Eta = typename M::normalization;
  if (variance_of<B> == variance_factor::sqrt_dim || variance_of<Eta> == variance_factor::sqrt_dim) return variance_from::fixed_factor;
  if (!std::is_same_v<streams_t<B>, list<>> || !std::is_same_v<streams_t<Eta>, list<>>) return variance_from::gate;
  if (Eta::needs_sum) return variance_from::sum;
  return variance_of<B> == variance_factor::none ? variance_from::nothing : variance_from::not_declared;
}
template <class M>
constexpr bound_by bound_of() {
  using E = typename M::evolution;
  using Eta = typename M::normalization;
  if constexpr (traits<M>::floored) return bound_by::floored_sum;
  else if constexpr (Eta::needs_sum) return nonnegative_weights<M>() ? bound_by::nonnegative_sum : bound_by::signed_sum;
  else if constexpr (!std::is_same_v<streams_t<Eta>, list<>>) return bound_by::gate;
  else if constexpr (!requires { E::contractive; }) return bound_by::not_declared;
  else
    return E::contractive == contraction::yes       ? bound_by::contraction
           : E::contractive == contraction::depends ? bound_by::streams
                                                    : bound_by::nothing;
}
}  // namespace detail

/// The six design principles of arXiv:2510.09389, read off a mixer's type.
template <class M>
struct principles {
  static_assert(form_exists<form::recurrent, M> == M::readout::is_linear,
                "coefdyn: a recurrent form with a state of n x d exists if and only if phi is linear (Lemma 1).");
  static constexpr bool recurrence = form_exists<form::recurrent, M>;  // 1
  static constexpr declared<near_zero_set> near_zero = [] {            // 2
    if constexpr (requires { M::readout::near_zero; }) return declared<near_zero_set>{true, M::readout::near_zero};
    else return declared<near_zero_set>{};
  }();
  static constexpr motion key_motion = detail::motion_of<typename M::evolution>();                                             // 4
  static constexpr position_from position = key_motion == motion::none ? position_from::embedding : position_from::evolution;  // 3
  static constexpr variance_from variance = detail::variance_kept<M>();                                                        // 5
  static constexpr bound_by bound = detail::bound_of<M>();                                                                     // 6
  static constexpr declared<contraction> contractive = [] {
    if constexpr (requires { M::evolution::contractive; }) return declared<contraction>{true, M::evolution::contractive};
    else return declared<contraction>{};
  }();

  /// Six lines.
  static std::string text() {
    constexpr const char* zeros[] = {"none", "a hyperplane of keys", "a half-line of scores", "a half-space of keys"};
    constexpr const char* moves[] = {"leaves keys as they are",
                                     "scales keys",
                                     "scales a key's channels",
                                     "turns channels in planes",
                                     "reflects or projects along a direction",
                                     "any linear map"};
    constexpr const char* factors[] = {"a fixed factor 1/sqrt(n)", "a gate", "the sum that divides it", "nothing", "not declared"};
    constexpr const char* bounds[] = {"a sum of non-negative weights",
                                      "a signed sum, which can cancel",
                                      "a sum with floor 1",
                                      "a gate",
                                      "|A| <= 1",
                                      "|A| <= 1 where its streams allow it",
                                      "nothing",
                                      "not declared"};
    constexpr const char* contracts[] = {"always", "not", "depending on its streams"};
    std::string s;
    s += std::string("1 recurrence   ") + (recurrence ? "yes: phi is linear" : "no: phi is not linear (Lemma 1)") + "\n";
    s += std::string("2 suppression  near-zero set of phi: ") + (near_zero.given ? zeros[int(near_zero.value)] : "not declared") + "\n";
    s += std::string("3 position     ") + (position == position_from::evolution ? "through A_t" : "A_t = I: needs positional embeddings") +
         "\n";
    s += std::string("4 evolution    ") + moves[int(key_motion)] +
         "; a contraction: " + (contractive.given ? contracts[int(contractive.value)] : "not declared") + "\n";
    s += std::string("5 variance     of q'h kept at O(1) by: ") + factors[int(variance)] + "\n";
    s += std::string("6 bound        of the coefficients by: ") + bounds[int(bound)] + "\n";
    return s;
  }
};

/// Writes the six lines.
template <class Stream, class M>
Stream& operator<<(Stream& out, principles<M>) {
  out << principles<M>::text();
  return out;
}

}  // namespace coefdyn
