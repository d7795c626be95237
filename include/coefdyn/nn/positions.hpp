// SPDX-License-Identifier: MIT
#pragma once
#include "source.hpp"

/// Constants of streams that say where a token is.
namespace coefdyn::nn {

/// RoPE's angles theta^(-2m/n), m < n/2.
/// source  Su et al., arXiv:2104.09864
struct rope_angles {
  /// The angle of pair m.
  struct angle {
    double theta, n;
    COEFDYN_HD double operator()(idx m) const { return std::pow(theta, -2.0 * double(m) / n); }
  };
  rope_angles(const scope&, const sizes& z, const stream_shape&) {
    if (z.n % 2) throw invalid_input("n", "an even number, for pairs of channels", std::to_string(z.n));
  }
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return constants(c.t, c.size.n / 2, angle{c.size.theta, double(c.size.n)});
  }
};
/// Retention's decays: log(1 - 2^(-5-h)).
/// source  Sun et al., arXiv:2307.08621
struct retention_decays {
  /// That of head h.
  struct log_decay {
    COEFDYN_HD double operator()(idx h) const { return std::log1p(-std::exp2(double(-5 - h))); }
  };
  idx heads;
  retention_decays(const scope&, const sizes&, const stream_shape& want) : heads(want.heads) {}
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return constants(c.t, heads, log_decay{});
  }
};

}  // namespace coefdyn::nn
