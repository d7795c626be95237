// SPDX-License-Identifier: MIT
#pragma once
#include "../core/concepts.hpp"
#include "../core/principle.hpp"

namespace coefdyn::scaling {

/// b_j = the product of several scalings; per channel if one of them is, with an exponential part if one of them has it.
///
/// streams all of theirs
/// range   theirs
/// error   theirs
/// source  mLSTM: exp(i_j) / sqrt(n), arXiv:2405.04517
template <class... B>
struct product {
  using streams = concatenated<detail::streams_t<B>...>;
  template <class At>
    requires(scales_write<B, At> && ...)
  COEFDYN_HD static auto scale(const At& at) {
    using R = typename At::real;
    return (R(1) * ... * R(B::scale(at)));
  }
  template <class At>
    requires((scales_write<B, At> || scales_channels<B, At>) && ...) && (!(scales_write<B, At> && ...))
  COEFDYN_HD static auto scale(const At& at, int c) {
    using R = typename At::real;
    return (R(1) * ... * R(one_of<B>(at, c)));
  }
  template <class At>
    requires(scales_by_exponent<B, At> || ...)
  COEFDYN_HD static auto log_scale(const At& at) {
    using R = typename At::real;
    return (R(0) + ... + R(exponent_of<B>(at)));
  }

  // facts that kernels and principles may use
  static constexpr basis depends_on = basis_of_all<B...>;
  static constexpr variance_factor variance = ((variance_of<B> == variance_factor::sqrt_dim) || ...) ? variance_factor::sqrt_dim
                                              : ((variance_of<B> == variance_factor::none) && ...)   ? variance_factor::none
                                                                                                     : variance_factor::not_declared;

 private:
  template <class One, class At>
  COEFDYN_HD static auto one_of(const At& at, int c) {
    if constexpr (scales_write<One, At>) return One::scale(at);
    else return One::scale(at, c);
  }
  template <class One, class At>
  COEFDYN_HD static typename At::real exponent_of(const At& at) {
    if constexpr (scales_by_exponent<One, At>) return One::log_scale(at);
    else return typename At::real(0);
  }
};

}  // namespace coefdyn::scaling
