// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"

namespace coefdyn::evolution {

/// A_t = diag(lambda_t) + a_t c_t', both on the undecayed state. Peers' b is our a, their a our c (minus sign included).
///
/// streams log_decay [B, T, H, n], natural log, <= 0; a, c [B, T, H, n]
/// range   depends on a and c
/// error   none
/// source  RWKV-7, arXiv:2503.14456
struct diagonal_plus_rank_one {
  using streams = list<per_channel<stream::log_decay>, per_write_channel<stream::a>, per_write_channel<stream::c>>;
  static constexpr structure_of structure{.decay = decaying::channel, .correction = rank_one::free, .row_sees = sees::undecayed};
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at, int c) {
    return at.log_decay[c];
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
