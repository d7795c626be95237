// SPDX-License-Identifier: MIT
#pragma once
#include "../products/products.hpp"
#include "../tuning.hpp"

namespace coefdyn::cpu {

/// The products of a form's forward and of its backward, which keeps those of the arithmetic.
template <class M, class R, class X>
products<R> products_of(bool backward) {
  return rounds_factors<M, R, X> && !backward ? products<R>::rounded() : products<R>::best();
}

}  // namespace coefdyn::cpu
