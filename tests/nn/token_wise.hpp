// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/nn/models/model.hpp>

namespace law {

using namespace coefdyn;

/// A layer that changes each token alone; for cases about what is around it.
struct token_wise {
  nn::projection_parameters p;
  token_wise(const nn::scope& s, const nn::sizes& z) : p(s, "w", z.width, z.width, true) {}
  template <class R>
  nn::value<R> operator()(nn::tape<R>& t, const nn::value<R>& u, nn::across_layers<R>&) const {
    return nn::map(t, nn::tanh{}, p(t, u));
  }
};

}  // namespace law
