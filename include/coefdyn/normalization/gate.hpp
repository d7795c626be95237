// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"

namespace coefdyn::normalization {

/// What a gate normalization makes of its number before the exponential.
namespace psi {
/// psi(x) = x.
struct identity {
  template <class R>
  COEFDYN_HD static R apply(R x) {
    return x;
  }
};
/// psi(x) = e^x.
struct exponential {
  template <class R>
  COEFDYN_HD static R apply(R x) {
    return math::exp(x);
  }
};
/// psi(x) = log(1 + e^x).
struct softplus {
  template <class R>
  COEFDYN_HD static R apply(R x) {
    return math::softplus(x);
  }
};
/// psi(x) = x above 0, e^x - 1 below.
struct elu {
  template <class R>
  COEFDYN_HD static R apply(R x) {
    return math::elu(x);
  }
};
/// psi(x) = 1 / (1 + e^-x).
struct sigmoid {
  template <class R>
  COEFDYN_HD static R apply(R x) {
    return math::sigmoid(x);
  }
};
}  // namespace psi

/// Whether a gate normalization adds eta_offset.
enum class offset { no, yes };

/// eta_i = exp(psi(w'u_i [+ offset])): a gate of the reading head; eta itself is never formed, y is multiplied by exp(-psi).
///
/// streams eta_gate [B, T, H_q] (w'u_i), and eta_offset [H_q] with offset::yes
/// range   psi >= 0 never overflows; identity and elu can be negative, then y grows as the definition does
/// error   none
/// source  norm attention, arXiv:2510.09389
template <class Psi, offset Offset = offset::no>
struct gate {
  static constexpr bool needs_sum = false;
  using gate_need = need<stream::eta_gate, ticks::token, width::scalar>;
  using streams =
      std::conditional_t<Offset == offset::yes, list<gate_need, need<stream::eta_offset, ticks::constant, width::scalar>>, list<gate_need>>;
  template <class At>
  COEFDYN_HD static auto log_inverse(const At& at) {
    if constexpr (Offset == offset::yes) return -Psi::apply(at.eta_gate + at.eta_offset);
    else return -Psi::apply(at.eta_gate);
  }

  // facts that kernels may use
  static constexpr basis depends_on = basis::streams;
};

}  // namespace coefdyn::normalization
