// SPDX-License-Identifier: MIT
#pragma once
#include "../../core/state.hpp"

/// The maximum that a row of weights starts from.
namespace coefdyn::cpu {

/// Whether a row's maximum is taken out of an exponential phi: where the normalization puts it back without forming it.
template <class M>
constexpr bool takes_maximum =
    traits<M>::needs_max && (traits<M>::needs_sum || requires { &M::normalization::template log_inverse<reader_token<double, M>>; });
/// m before any weight: an exponential readout starts from nothing, a floor from 0.
template <class M, class R>
COEFDYN_HD R starting_maximum() {
  if constexpr (takes_maximum<M> || traits<M>::stabilised) return empty_maximum<M, R>();
  else return R(0);
}

}  // namespace coefdyn::cpu
