// SPDX-License-Identifier: MIT
// expects: the readout map (first policy) needs `static constexpr bool is_linear`
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
struct cubic {
#ifndef COEFDYN_MUST_FAIL
  static constexpr bool is_linear = false;
#endif
  template <class R>
  static R apply(R s) {
    return s * s * s;
  }
};
tokens<mixer<cubic, evolution::identity, scaling::one, normalization::one>> x;
