// SPDX-License-Identifier: MIT
// expects: coefdyn: the evolution (second policy) has apply and lacks `apply_transposed(at, x)`
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
struct halve {
  template <class At, class X>
  static void apply(const At& at, X x) {
    for (int c = 0; c < at.n; ++c) x[c] = 0.5 * x[c];
  }
#ifndef COEFDYN_MUST_FAIL
  template <class At, class X>
  static void apply_transposed(const At& at, X x) {
    apply(at, x);
  }
#endif
};
tokens<mixer<readout::linear, halve, scaling::one, normalization::one>> x;
