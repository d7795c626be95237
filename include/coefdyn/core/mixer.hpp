// SPDX-License-Identifier: MIT
#pragma once
#include "../feature/identity.hpp"
#include "policies.hpp"
#include "skeleton.hpp"

namespace coefdyn {

/// alpha_{i,j} = Phi(q_i' A_i ... A_{j+1} b_j k_j) / eta_i,   y_i = sum_{j<=i} alpha_{i,j} v_j
///
/// Four policies are the formula's four letters; the optional fifth, Psi, acts on q and k before the dynamics.
/// source  arXiv:2510.09389, definition of coefficient dynamics
template <class Phi, class A, class B, class Eta, class Psi = feature::identity>
struct mixer;

/// The streams a mixer takes, each once: q, k, v, then what its policies ask for.
template <class M, field Over = field::real>
using needs_of = merged<list<need<stream::q, ticks::token, width::key, owner::query, Over>,
                             need<stream::k, ticks::write, width::key, owner::key, Over>, need<stream::v, ticks::write, width::value>>,
                        detail::streams_t<typename M::evolution>, detail::streams_t<typename M::scaling>,
                        detail::streams_t<typename M::normalization>, detail::streams_t<typename M::readout>>;

/// One token as the policies on the state's side see it, over numbers of type R.
template <class R, class M, field Over = field::real>
using state_token = token<R, state_needs<needs_of<M, Over>>>;
/// One token as the policies on the reading side see it, over numbers of type R.
template <class R, class M, field Over = field::real>
using reader_token = token<R, reader_needs<needs_of<M, Over>>>;

template <class Phi, class A, class B, class Eta, class Psi>
struct mixer {
 private:
  using given = detail::policies<Phi, A, B, Eta, Psi>;
  using needs = needs_of<given>;
  static constexpr bool one_shape = detail::one_shape_per_stream(needs{});
  using named_once = std::conditional_t<one_shape, needs, list<>>;
  using at_write = detail::trial_token<state_needs<named_once>>;
  using at_read = detail::trial_token<reader_needs<named_once>>;
  static_assert(detail::right_policies<given, needs, at_write, at_read>());

 public:  // what is wrong was said; the rest of the program goes on with a policy that compiles
  /// phi, of the scores.
  using readout = std::conditional_t<detail::is_readout<Phi>, Phi, detail::stand_in<Phi>>;
  /// A_t, which carries the state from token to token.
  using evolution = std::conditional_t<evolution_map<A>, A, detail::stand_in<A>>;
  /// b_j, of a write.
  using scaling =
      std::conditional_t<!one_shape, detail::stand_in<void>, std::conditional_t<scaling_rule<B, at_write>, B, detail::stand_in<B>>>;
  /// eta_i, which divides a read.
  using normalization = std::conditional_t<normalization_rule<Eta, at_read>, Eta, detail::stand_in<Eta>>;
  /// psi, of queries and keys before anything else.
  using feature_map = std::conditional_t<coefdyn::feature_map<Psi>, Psi, feature::identity>;
};

/// A mixer: five policies.
template <class M>
concept is_mixer = requires {
  typename M::readout;
  typename M::evolution;
  typename M::scaling;
  typename M::normalization;
  typename M::feature_map;
};

/// Facts about a mixer that forms ask for.
template <class M>
struct traits {
  static constexpr structure_of structure = structure_v<typename M::evolution>;
  static constexpr bool structured = declares_structure<typename M::evolution>;
  static constexpr bool linear = M::readout::is_linear;
  static constexpr bool complex_state = structure.over == field::complex;
  static constexpr int micro = structure.micro_steps;               // timeline rows a token has
  static constexpr int writes = structure.writes_each ? micro : 1;  // rows of k, v and per-write streams a token has
  static constexpr bool scale_is_scalar = scales_write<typename M::scaling, state_token<double, M>>;
  static constexpr bool exponential = scales_by_exponent<typename M::scaling, state_token<double, M>>;  // b has a factor e^(log_scale)
  static constexpr bool stabilised = linear && exponential;  // its running maximum is kept out of the state
  static constexpr bool needs_sum = M::normalization::needs_sum;
  static constexpr bool divides_by_sum = [] {  // eta_i is the sum of the weights itself
    if constexpr (requires { M::normalization::is_the_sum; }) return bool(M::normalization::is_the_sum);
    else return false;
  }();
  static constexpr bool has_feature = [] {
    if constexpr (requires { M::feature_map::is_identity; }) return !M::feature_map::is_identity;
    else return true;
  }();
  static constexpr bool needs_max = [] {  // phi(s + c) = e^c phi(s)
    if constexpr (requires { M::readout::needs_max; }) return bool(M::readout::needs_max);
    else return false;
  }();
  static constexpr bool floored = requires { M::normalization::floors_at_one; };  // eta is at least e^m, so that m starts at 0
  /// Whether micro-step l of a token writes.
  COEFDYN_HD static constexpr bool writes_at(int l) { return structure.writes_each || l == micro - 1; }
  /// Width of a state row as kernels see it: a complex state is [Re; Im].
  COEFDYN_HD static constexpr int lowered(int n) { return complex_state ? 2 * n : n; }
};

/// A mixer as the forms' loops see it.
template <class M>
constexpr skeleton skeleton_of = canonical({.structure = traits<M>::structure,
                                            .structured = traits<M>::structured,
                                            .scalar_scale = traits<M>::scale_is_scalar,
                                            .stabilised = traits<M>::stabilised,
                                            .sums = traits<M>::needs_sum});

/// Type of the entries of S and z: R, or complex where the evolution is.
template <class M, class R>
using state_element = std::conditional_t<traits<M>::complex_state, complex<R>, R>;

// ---- optional hooks with their defaults -----------------------------------------------------------------------------

/// phi'(s), by dual numbers where the policy gives none.
template <class Phi, class R>
COEFDYN_HD R slope(R s) {
  if constexpr (requires {
                  { Phi::derivative(s) } -> std::same_as<R>;
                })
    return Phi::derivative(s);
  else return Phi::apply(dual<R>(s, R(1))).d;
}
/// b of channel c without its exponential part.
template <class B, class At>
COEFDYN_HD auto scale_of(const At& at, int c) {
  using R = typename At::real;
  if constexpr (scales_write<B, At>) return R(B::scale(at));
  else return R(B::scale(at, c));
}
/// e^m of the maximum taken out; without an exponential where none was, which is every row of most mixers.
template <class R>
COEFDYN_HD R scale_taken_out(R m) {
  return m == R(0) ? R(1) : math::exp(m);
}
/// Factor on the read that is kept scaled by e^-m: y = inverse * y~.
template <class Eta, class R, class At>
COEFDYN_HD R inverse_eta(R sum, R m, const At& at) {
  if constexpr (requires {
                  { Eta::inverse(sum, m, at) } -> std::convertible_to<R>;
                })
    return Eta::inverse(sum, m, at);
  else if constexpr (requires { Eta::log_inverse(at); }) return math::exp(m + R(Eta::log_inverse(at)));
  else {
    const R scale = scale_taken_out(m);
    return scale / R(Eta::eta(sum * scale, at));
  }
}
/// Whether a read with this sum is one whose weights are all exactly zero under an eta of exactly zero: y = 0, gradients 0.
template <class M, class R>
COEFDYN_HD bool empty_row(R sum, R inverse) {
  return traits<M>::needs_sum && sum == R(0) && !math::is_finite(inverse);
}
/// df times d inverse / d sum. Seeded with the sum itself: 1 / sum^2 alone would overflow where the gradient does not.
template <class Eta, class R, class At>
COEFDYN_HD R inverse_slope(R sum, R m, const At& lifted, R df) {
  const R seed = sum == R(0) ? R(1) : sum;
  return df / seed * dual<R>(inverse_eta<Eta>(dual<R>(sum, seed), dual<R>(m), lifted)).d;
}
/// log |eta| from the sum scaled by e^-m; its sign is that of `eta_sign`.
template <class Eta, class R, class At>
COEFDYN_HD R log_eta(R sum, R m, const At& at) {
  if constexpr (requires {
                  { Eta::log_eta(sum, m, at) } -> std::convertible_to<R>;
                })
    return Eta::log_eta(sum, m, at);
  else if constexpr (requires { Eta::log_inverse(at); }) return -R(Eta::log_inverse(at));
  else return math::log(math::abs(R(Eta::eta(sum * scale_taken_out(m), at))));
}
/// Sign of eta, 1 or -1, from the sum scaled by e^-m.
template <class Eta, class R, class At>
COEFDYN_HD int eta_sign(R sum, R m, const At& at) {
  if constexpr (requires { Eta::log_inverse(at); }) return 1;
  else if constexpr (requires {
                       { Eta::log_eta(sum, m, at) } -> std::convertible_to<R>;
                     })
    return Eta::is_signed && sum < R(0) ? -1 : 1;
  else return R(Eta::eta(sum * scale_taken_out(m), at)) < R(0) ? -1 : 1;
}

}  // namespace coefdyn
