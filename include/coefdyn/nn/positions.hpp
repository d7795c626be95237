// SPDX-License-Identifier: MIT
#pragma once
#include "source.hpp"

/// Constants of streams that say where a token is.
namespace coefdyn::nn {

/// RoPE's angles theta^(-2m/n), m < n/2.
/// source  Su et al., arXiv:2104.09864
struct rope_angles {
  rope_angles(const scope&, const sizes& z, const stream_shape&) {
    if (z.n % 2) throw invalid_input("n", "an even number, for pairs of channels", std::to_string(z.n));
  }
  template <class R>
  value<R> operator()(context<R>& c) const {
    const idx pairs = c.size.n / 2;
    R* const x = c.t.template take<R>(pairs);
    for (idx m = 0; m < pairs; ++m) x[m] = R(std::pow(c.size.theta, -2.0 * double(m) / double(c.size.n)));
    return {x, nullptr, 1, 1, pairs, 0};
  }
};
/// Retention's decays: log(1 - 2^(-5-h)).
/// source  Sun et al., arXiv:2307.08621
struct retention_decays {
  idx heads;
  retention_decays(const scope&, const sizes&, const stream_shape& want) : heads(want.heads) {}
  template <class R>
  value<R> operator()(context<R>& c) const {
    R* const x = c.t.template take<R>(heads);
    for (idx h = 0; h < heads; ++h) x[h] = R(std::log1p(-std::exp2(double(-5 - h))));
    return {x, nullptr, 1, 1, heads, 0};
  }
};

}  // namespace coefdyn::nn
