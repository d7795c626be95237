// SPDX-License-Identifier: MIT
#pragma once
#include "../../evolution/diagonal.hpp"
#include "../../evolution/householder.hpp"
#include "../../evolution/scalar.hpp"
#include "../../normalization/one.hpp"
#include "../../parameterisation/mamba2.hpp"
#include "../../readout/linear.hpp"
#include "../../scaling/inverse_sqrt_dim.hpp"
#include "../layer.hpp"

/// The layer in which the evolution alone differs: phi linear, b = 1/sqrt(n), eta = 1, unit q and k, a norm of each head. arXiv:2510.09389
/// compares A_t so; what it leaves open (norm, no convolution, parameters of the gates) is a choice of this library.
namespace coefdyn::nn {

namespace detail {
template <class A, class... Part>
using coefficient_with = layer<mixer<readout::linear, A, scaling::inverse_sqrt_dim, normalization::one>,
                               give<stream::q, unit_heads<projection<"q_proj">>>, give<stream::k, unit_heads<projection<"k_proj">>>,
                               give<stream::v, projection<"v_proj">>, Part..., after<normed<"o_norm">, projected<"o_proj">>>;
}  // namespace detail

/// A decay, evolution::scalar or diagonal, by GLA's gate: log sigmoid(x) / tau.
template <class A>
using coefficient_gla = detail::coefficient_with<A, give<stream::log_decay, mapped<range::gla_decay, projection<"a_proj", bias::yes>>>>;
/// The same by Mamba-2's: -exp(A_log) softplus(x + dt_bias), one of each for every decay.
template <class A>
using coefficient_mamba2 = detail::coefficient_with<
    A, give<stream::log_decay, mapped<range::decay_by<parameterisation::mamba2>, projection<"a_proj">,
                                      number<"dt_bias", per::channel, starts::step>, number<"A_log", per::channel, starts::rate>>>>;
/// Where a Householder's strength comes from.
enum class strength_is { one, learned };
namespace detail {
template <strength_is Beta>
using coefficient_strength =
    give<stream::beta, std::conditional_t<Beta == strength_is::one, constant<1>, mapped<range::strength, projection<"b_proj">>>>;
}
/// A Householder along the key.
template <strength_is Beta = strength_is::learned>
using coefficient_householder = detail::coefficient_with<evolution::householder<>, detail::coefficient_strength<Beta>>;
/// A Householder along a direction of its own.
template <strength_is Beta = strength_is::learned>
using coefficient_householder_z = detail::coefficient_with<evolution::householder<evolution::along::z>, detail::coefficient_strength<Beta>,
                                                           give<stream::z, unit_heads<projection<"z_proj">>>>;

}  // namespace coefdyn::nn
