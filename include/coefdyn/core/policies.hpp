// SPDX-License-Identifier: MIT
#pragma once
#include "concepts.hpp"

/// What is wrong with the policies of a mixer, in one sentence: the first one that does not fit, and what it lacks.
namespace coefdyn {

namespace readout {
/// No policy, but looked for under this name: where it is named as one, a sentence says what softmax is made of.
struct softmax {
  static constexpr bool is_found_elsewhere = true;
};
}  // namespace readout

namespace detail {

template <class P>
concept is_softmax = requires { P::is_found_elsewhere; };
template <class P>
concept is_readout = !is_softmax<P> && readout_map<P>;

/// The policies as they are given.
template <class Phi, class A, class B, class Eta, class Psi>
struct policies {
  using readout = Phi;
  using evolution = A;
  using scaling = B;
  using normalization = Eta;
  using feature_map = Psi;
};
/// Stands in the place of one that does not fit, so that no more is said of it: phi(s) = s, A = I, b = 1, eta = 1.
template <class P>
struct stand_in {
  using streams = streams_t<P>;
  static constexpr bool is_linear = true, needs_sum = false;
  static constexpr structure_of structure{};
  template <class R>
  COEFDYN_HD static R apply(R s) {
    return s;
  }
  template <class At>
  COEFDYN_HD static typename At::real scale(const At&) {
    return typename At::real(1);
  }
  template <class R, class At>
  COEFDYN_HD static R eta(R, const At&) {
    return R(1);
  }
};

// ---- which kind of policy a type seems to be --------------------------------------------------------------------------
enum class kind { readout, evolution, scaling, normalization, feature, unknown };
template <class P>
concept has_apply = requires(own_token<P> at, column_view<own_state_element<P>> x) { P::apply(at, x); };
template <class P>
concept has_apply_transposed = requires(own_token<P> at, column_view<own_state_element<P>> x) { P::apply_transposed(at, x); };
/// A readout that does not say is_linear looks as a feature map of channels does: in `place` it is the former.
template <class P, kind Place>
constexpr kind kind_in = [] {
  if (declares_linearity<P>) return kind::readout;
  if (declares_sum<P>) return kind::normalization;
  if (declares_structure<P> || has_apply<P> || has_apply_transposed<P>) return kind::evolution;
  if (scales_write<P, own_trial<P>> || scales_channels<P, own_trial<P>>) return kind::scaling;
  if (maps_vectors<P> || (maps_channels<P> && Place != kind::readout)) return kind::feature;
  return kind::unknown;
}();

// One sentence for each kind in another's place, and one for data members; false where one was said.
#define COEFDYN_NOT_GIVEN(PLACE, KIND, WHAT)                                                                                            \
  static_assert(Own == kind::KIND || given != kind::KIND, "coefdyn: the " PLACE " policy of this mixer is " WHAT                        \
                                                          "; the order is mixer<readout, evolution, scaling, normalization> and then, " \
                                                          "if any, a feature map.")
#define COEFDYN_FITS(NAME, PLACE)                                                                                \
  template <class P>                                                                                             \
  consteval bool NAME##_fits() {                                                                                 \
    constexpr kind Own = kind::NAME;                                                                             \
    static_assert(stateless_policy<P>, "coefdyn: the " PLACE                                                     \
                                       " policy of this mixer has data members; a policy is an empty type with " \
                                       "static functions, its numbers are template parameters or streams.");     \
    if constexpr (stateless_policy<P>) {                                                                         \
      constexpr kind given = kind_in<P, Own>;                                                                    \
      COEFDYN_NOT_GIVEN(PLACE, readout, "a readout map");                                                        \
      COEFDYN_NOT_GIVEN(PLACE, evolution, "an evolution");                                                       \
      COEFDYN_NOT_GIVEN(PLACE, scaling, "a scaling");                                                            \
      COEFDYN_NOT_GIVEN(PLACE, normalization, "a normalization");                                                \
      COEFDYN_NOT_GIVEN(PLACE, feature, "a feature map");                                                        \
      return given == Own || given == kind::unknown;                                                             \
    }                                                                                                            \
    return false;                                                                                                \
  }
COEFDYN_FITS(readout, "first (readout)")
COEFDYN_FITS(evolution, "second (evolution)")
COEFDYN_FITS(scaling, "third (scaling)")
COEFDYN_FITS(normalization, "fourth (normalization)")
COEFDYN_FITS(feature, "fifth (feature map)")
#undef COEFDYN_FITS
#undef COEFDYN_NOT_GIVEN

// ---- what a policy of the right kind lacks ----------------------------------------------------------------------------
template <class P>
consteval void blame_readout() {
  static_assert(
      !is_softmax<P>,
      "coefdyn: there is no readout::softmax: softmax is readout::exponential with normalization::sum (mixers::softmax_attention).");
  if constexpr (!is_softmax<P>)
    if constexpr (readout_fits<P>()) {
      static_assert(
          declares_linearity<P>,
          "coefdyn: the readout map (first policy) needs `static constexpr bool is_linear`, which says whether phi(s) is s times a "
          "constant.");
      static_assert(!declares_linearity<P> || maps_score_to_weight<P>,
                    "coefdyn: the readout map (first policy) needs `template <class R> static R apply(R s)`.");
      static_assert(!declares_linearity<P> || !maps_score_to_weight<P> || generic_over_real<P>,
                    "coefdyn: the readout map (first policy) needs an apply that also takes dual numbers (call math::exp, not exp): "
                    "`template <class R> static R apply(R s)`.");
    }
}
template <class P>
consteval void blame_evolution() {
  if constexpr (evolution_fits<P>()) {
    constexpr bool structured = declares_structure<P>;
    static_assert(
        structured || has_apply<P> || has_apply_transposed<P>,
        "coefdyn: the evolution (second policy) needs `static constexpr structure_of structure` and the functions that it names, or "
        "apply and apply_transposed.");
    static_assert(structured || has_apply<P> || !has_apply_transposed<P>,
                  "coefdyn: the evolution (second policy) has apply_transposed and lacks `apply(at, x)`, which makes A_t x of x.");
    static_assert(structured || !has_apply<P> || has_apply_transposed<P>,
                  "coefdyn: the evolution (second policy) has apply and lacks `apply_transposed(at, x)`, which makes A_t' x of x.");
    constexpr decaying decay = structure_v<P>.decay;
    static_assert(decay != decaying::scalar || gives_log_decay<P>,
                  "coefdyn: the evolution (second policy) lacks `log_decay(at)`, which its structure's decay = decaying::scalar names.");
    static_assert(
        decay != decaying::channel || gives_log_decay<P>,
        "coefdyn: the evolution (second policy) lacks `log_decay(at, c)`, which its structure's decay = decaying::channel names.");
    constexpr bool decays = gives_log_decay<P>;
    static_assert(!decays || gives_angle<P>,
                  "coefdyn: the evolution (second policy) lacks `angle(at, c)`, which its structure's turns name.");
    constexpr bool turns = decays && gives_angle<P>;
    static_assert(!turns || gives_strength<P>,
                  "coefdyn: the evolution (second policy) lacks `strength(at)`, which its structure's rank-one correction names.");
    constexpr bool strong = turns && gives_strength<P>;
    static_assert(!strong || gives_row<P>,
                  "coefdyn: the evolution (second policy) lacks `row(at, c)`, which its structure's rank-one correction names.");
    constexpr bool rows = strong && gives_row<P>;
    static_assert(!rows || gives_column<P>,
                  "coefdyn: the evolution (second policy) lacks `column(at, c)`, which its structure's correction = rank_one::free names.");
    static_assert(!rows || !gives_column<P> || gives_bonus<P>,
                  "coefdyn: the evolution (second policy) lacks `bonus(at, c)`, which its structure's order = reads::before_write names.");
  }
}
template <class P, class At>
consteval void blame_scaling() {
  if constexpr (scaling_fits<P>())
    static_assert(
        scaling_rule<P, At>,
        "coefdyn: the scaling (third policy) needs `scale(at)` or `scale(at, c)`; with 1 - lambda per channel the evolution has to "
        "have a log_decay per channel.");
}
template <class P, class At>
consteval void blame_normalization() {
  if constexpr (normalization_fits<P>()) {
    static_assert(declares_sum<P>,
                  "coefdyn: the normalization (fourth policy) needs `static constexpr bool needs_sum`: whether eta sees the row's sum.");
    static_assert(!declares_sum<P> || gives_eta<P, At> || gives_log_inverse<P, At>,
                  "coefdyn: the normalization (fourth policy) needs `eta(sum, at)` or `log_inverse(at)`, a number of at's real type.");
  }
}
template <class P>
consteval void blame_feature() {
  if constexpr (feature_fits<P>())
    static_assert(feature_map<P>,
                  "coefdyn: the feature map (fifth policy) needs `R apply(R x)`, or `apply(x, y, n)` for a map of whole vectors.");
}

// ---- bodies that no signature looks into -------------------------------------------------------------------------------
/// Never called: makes the compiler read the policies' functions, with the numbers that gradients bring.
template <class Phi, class A, class B, class Eta, class AtWrite, class AtRead>
void tried(trial s, const own_trial<A>& at, const AtWrite& write, const AtRead& read) {
  s = Phi::apply(s);
  if constexpr (structure_v<A>.decay == decaying::scalar) s = A::log_decay(at);
  if constexpr (structure_v<A>.decay == decaying::channel) s = A::log_decay(at, 0);
  if constexpr (structure_v<A>.turns != turning::none) s = A::angle(at, 0);
  if constexpr (structure_v<A>.correction != rank_one::none) s = A::strength(at), s = A::row(at, 0);
  if constexpr (structure_v<A>.correction == rank_one::free) s = A::column(at, 0);
  if constexpr (declares_structure<A> && structure_v<A>.order == reads::before_write) s = A::bonus(at, 0);
  if constexpr (scales_write<B, AtWrite>) s = B::scale(write);
  else s = B::scale(write, 0);
  if constexpr (scales_by_exponent<B, AtWrite>) s = B::log_scale(write);
  if constexpr (gives_eta<Eta, AtRead>) s = Eta::eta(s, read);
  if constexpr (gives_log_inverse<Eta, AtRead>) s = Eta::log_inverse(read);
}

/// Whether a mixer's policies fit together. Says at most one sentence, and is true for the assertion around it.
template <class P, class Needs, class AtWrite, class AtRead>
consteval bool right_policies() {
  using Phi = typename P::readout;
  using A = typename P::evolution;
  using B = typename P::scaling;
  using Eta = typename P::normalization;
  if constexpr (!is_readout<Phi>) blame_readout<Phi>();
  else if constexpr (!evolution_map<A>) blame_evolution<A>();
  else if constexpr (!one_shape_per_stream(Needs{}))
    static_assert(
        sizeof(P) == 0,
        "coefdyn: two policies of this mixer ask for one stream in two shapes (say beta per factor and beta per write); give one of "
        "them its own stream.");
  else if constexpr (!all_one_per_write(Needs{}, streams_t<B>{}))
    static_assert(sizeof(P) == 0,
                  "coefdyn: b = beta needs one beta per write, and a product of Householders has one per factor; use another scaling, or "
                  "evolution::writes, which writes at every factor.");
  else if constexpr (!all_satisfied(Needs{}, streams_t<B>{}) || !all_satisfied(Needs{}, streams_t<Eta>{}))
    static_assert(sizeof(P) == 0,
                  "coefdyn: a scaling by lambda needs an evolution with a log_decay stream; use evolution::scalar, diagonal, "
                  "complex_diagonal or one of their fixed variants, or another scaling.");
  else if constexpr (!scaling_rule<B, AtWrite>) blame_scaling<B, AtWrite>();
  else if constexpr (!normalization_rule<Eta, AtRead>) blame_normalization<Eta, AtRead>();
  else if constexpr (!coefdyn::feature_map<typename P::feature_map>) blame_feature<typename P::feature_map>();
  else (void)&tried<Phi, A, B, Eta, AtWrite, AtRead>;
  return true;
}

}  // namespace detail
}  // namespace coefdyn
