// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/nn/models/model.hpp>

namespace law {

using namespace coefdyn;

/// A layer of little code, which sees a token and the one before; for cases about what is around it.
struct small_layer {
  nn::projection_parameters p;
  small_layer(const nn::scope& s, const nn::sizes& z) : p(s, "w", z.width, z.width, true) {}
  template <class R>
  nn::value<R> operator()(nn::tape<R>& t, const nn::value<R>& u, nn::across_layers<R>&) const {
    return nn::map(t, nn::tanh{}, p(t, nn::map(t, nn::product_of{}, u, nn::token_shift(t, u))));
  }
};

}  // namespace law
