// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"

namespace coefdyn::scaling {

/// b_j = exp(i_j): mLSTM's input gate. With a linear readout the state is kept scaled by e^-m with the running maximum m, so no
/// exponent is positive.
///
/// streams input_gate [B, T w, H], the exponent i
/// range   any finite i under a sum or floored sum; without one, e^i overflows where the definition does
/// error   none
/// source  xLSTM, arXiv:2405.04517
struct exp_input {
  using streams = list<per_write<stream::input_gate>>;
  template <class At>
  COEFDYN_HD static auto log_scale(const At& at) {
    return at.input_gate;
  }
  /// What is left beside the exponential.
  template <class At>
  COEFDYN_HD static typename At::real scale(const At&) {
    return typename At::real(1);
  }
};

}  // namespace coefdyn::scaling
