// SPDX-License-Identifier: MIT
#pragma once
#include <concepts>

#include "evolve.hpp"
#include "unlisted.hpp"

/// What each policy has to offer, as conjunctions of small named concepts. They try its functions on dual numbers, as gradients do, and
/// with every stream's name present (unlisted.hpp); policies.hpp says which one fails.
namespace coefdyn {

namespace detail {
template <class P>
struct streams_of {
  using type = list<>;
};
template <class P>
  requires requires { typename P::streams; }
struct streams_of<P> {
  using type = typename P::streams;
};
template <class P>
using streams_t = typename streams_of<P>::type;
/// The policy's own streams and k: enough to try its functions on.
template <class P>
using own_needs = merged<list<need<stream::k, ticks::write, width::key>>, streams_t<P>>;
template <class P>
using own_token = token<double, own_needs<P>>;
template <class P>
using own_trial = trial_token<own_needs<P>>;
template <class P>
using own_state_element = std::conditional_t<structure_v<P>.over == field::complex, complex<double>, double>;
}  // namespace detail

/// A policy is a type without numbers of its own.
template <class P>
concept stateless_policy = std::is_empty_v<P> && std::is_trivially_default_constructible_v<P>;

// readout
/// It says whether phi is linear: `is_linear`.
template <class P>
concept declares_linearity = requires { std::bool_constant<P::is_linear>{}; };
/// phi(s) of a score: `apply(s)`.
template <class P>
concept maps_score_to_weight = requires(double s) {
  { P::apply(s) } -> std::same_as<double>;
};
/// `apply` takes dual numbers too, from which its slope comes.
template <class P>
concept generic_over_real = requires(detail::trial s) {
  { P::apply(s) } -> std::same_as<detail::trial>;
};
/// A readout map phi.
template <class P>
concept readout_map = stateless_policy<P> && declares_linearity<P> && maps_score_to_weight<P> && generic_over_real<P>;

// evolution
/// A_t x of a column: `apply(at, x)`, or a structure that says it.
template <class P>
concept evolves_state =
    declares_structure<P> || requires(detail::own_token<P> at, column_view<detail::own_state_element<P>> x) { P::apply(at, x); };
/// A_t' x: `apply_transposed(at, x)`, or a structure that says it.
template <class P>
concept evolves_readout =
    declares_structure<P> || requires(detail::own_token<P> at, column_view<detail::own_state_element<P>> x) { P::apply_transposed(at, x); };
/// log lambda_t where the structure decays: `log_decay(at)` or, per channel, `log_decay(at, c)`.
template <class P>
concept gives_log_decay =
    structure_v<P>.decay == decaying::none || (structure_v<P>.decay == decaying::scalar && requires(detail::own_trial<P> at) {
      { P::log_decay(at) } -> std::convertible_to<detail::trial>;
    }) || (structure_v<P>.decay == decaying::channel && requires(detail::own_trial<P> at) {
      { P::log_decay(at, 0) } -> std::convertible_to<detail::trial>;
    });
/// The angle of a pair or channel where the structure turns: `angle(at, p)`.
template <class P>
concept gives_angle = structure_v<P>.turns == turning::none || requires(detail::own_trial<P> at) {
  { P::angle(at, 0) } -> std::convertible_to<detail::trial>;
};
/// s_t of the rank-one part: `strength(at)`.
template <class P>
concept gives_strength = structure_v<P>.correction == rank_one::none || requires(detail::own_trial<P> at) {
  { P::strength(at) } -> std::convertible_to<detail::trial>;
};
/// row_t of the rank-one part: `row(at, c)`.
template <class P>
concept gives_row = structure_v<P>.correction == rank_one::none || requires(detail::own_trial<P> at) {
  { P::row(at, 0) } -> std::convertible_to<detail::trial>;
};
/// col_t of the rank-one part where it is not the key: `column(at, c)`.
template <class P>
concept gives_column = structure_v<P>.correction != rank_one::free || requires(detail::own_trial<P> at) {
  { P::column(at, 0) } -> std::convertible_to<detail::trial>;
};
/// The diagonal's weights where y reads before the write: `bonus(at, c)`.
template <class P>
concept gives_bonus = structure_v<P>.order == reads::after_write || requires(detail::own_trial<P> at) {
  { P::bonus(at, 0) } -> std::convertible_to<detail::trial>;
};
/// An evolution A_t.
template <class P>
concept evolution_map = stateless_policy<P> && evolves_state<P> && evolves_readout<P> && gives_log_decay<P> && gives_angle<P> &&
                        gives_strength<P> && gives_row<P> && gives_column<P> && gives_bonus<P>;

// scaling and normalization see the mixer's whole token, since they may take streams as the evolution has them
/// b_j, one number a write: `scale(at)`.
template <class P, class At>
concept scales_write = requires(At at) {
  { P::scale(at) } -> std::convertible_to<typename At::real>;
};
/// b_j, a number a channel: `scale(at, c)`.
template <class P, class At>
concept scales_channels = requires(At at) {
  { P::scale(at, 0) } -> std::convertible_to<typename At::real>;
};
/// log b_j, of which a running maximum is taken out: `log_scale(at)`.
template <class P, class At>
concept scales_by_exponent = requires(At at) {
  { P::log_scale(at) } -> std::convertible_to<typename At::real>;
};
/// A scaling b_j.
template <class P, class At>
concept scaling_rule = stateless_policy<P> && (scales_write<P, At> || scales_channels<P, At>);

/// It says whether eta takes the sum of the weights: `needs_sum`.
template <class P>
concept declares_sum = requires { std::bool_constant<P::needs_sum>{}; };
/// eta_i from that sum: `eta(sum, at)`.
template <class P, class At>
concept gives_eta = requires(At at, typename At::real s) {
  { P::eta(s, at) } -> std::convertible_to<typename At::real>;
};
/// -log eta_i, for an eta that is never formed: `log_inverse(at)`.
template <class P, class At>
concept gives_log_inverse = requires(At at) {
  { P::log_inverse(at) } -> std::convertible_to<typename At::real>;
};
/// A normalization eta_i.
template <class P, class At>
concept normalization_rule = stateless_policy<P> && declares_sum<P> && (gives_eta<P, At> || gives_log_inverse<P, At>);

// feature map
/// psi of one channel: `apply(x)`.
template <class P>
concept maps_channels = requires(double x) {
  { P::apply(x) } -> std::same_as<double>;
};
/// psi of a whole row: `apply(x, y, n)`.
template <class P>
concept maps_vectors = requires(const double* x, double* y) { P::apply(x, y, 1); };
/// A feature map psi.
template <class P>
concept feature_map = stateless_policy<P> && (maps_channels<P> || maps_vectors<P>);

}  // namespace coefdyn
