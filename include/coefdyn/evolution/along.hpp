// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"

namespace coefdyn::evolution {

/// Where a Householder's vector and strength come from: parameters of the evolution types.
/// along::key: z_t = psi(k_t), so the correction shares the write's column. along::z: its own stream z [B, T, H, n].
enum class along { key, z };
/// strength::per_write: beta [B, T w, H]. strength::fixed: beta [H].
enum class strength { per_write, fixed };

/// The need of beta, with that strength.
template <strength From>
using beta_need = std::conditional_t<From == strength::fixed, fixed_per_head<stream::beta>, per_write<stream::beta>>;
/// The need of z, a direction a write.
using z_need = per_write_channel<stream::z>;

/// The correction of a Householder, -beta z z': what the evolutions made of it share.
template <along Vector>
struct reflection {
  template <class At>
  COEFDYN_HD static auto strength(const At& at) {
    return -at.beta;
  }
  template <class At>
  COEFDYN_HD static auto row(const At& at, int c) {
    if constexpr (Vector == along::key) return at.k[c];
    else return at.z[c];
  }
  template <class At>
  COEFDYN_HD static auto column(const At& at, int c) {
    return row(at, c);
  }

  // facts that kernels may use
  static constexpr basis depends_on = basis::numbers;  // decay and strength; the row is no number
  static constexpr bool row_is_key = Vector == along::key;
};

}  // namespace coefdyn::evolution
