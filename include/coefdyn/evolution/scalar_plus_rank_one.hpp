// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"

namespace coefdyn::evolution {

/// A_t = lambda_t I + a_t c_t'.
///
/// streams log_decay [B, T, H], natural log, <= 0; a, c [B, T, H, n]
/// range   depends on a and c
/// error   none
/// source  Comba, arXiv:2506.02475 (a = -lambda beta k, c = p)
struct scalar_plus_rank_one {
  using streams = list<per_head<stream::log_decay>, per_write_channel<stream::a>, per_write_channel<stream::c>>;
  static constexpr structure_of structure{.decay = decaying::scalar, .correction = rank_one::free, .row_sees = sees::undecayed};
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at) {
    return at.log_decay;
  }
  template <class At>
  COEFDYN_HD static typename At::real strength(const At&) {
    return typename At::real(1);
  }
  template <class At>
  COEFDYN_HD static auto row(const At& at, int c) {
    return at.c[c];
  }
  template <class At>
  COEFDYN_HD static auto column(const At& at, int c) {
    return at.a[c];
  }

  // facts that principles may use
  static constexpr contraction contractive = contraction::depends;  // on a and c
};

}  // namespace coefdyn::evolution
