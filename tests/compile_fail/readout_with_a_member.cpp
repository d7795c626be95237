// SPDX-License-Identifier: MIT
// expects: the readout map (first policy) needs
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
struct power {
  static constexpr bool is_linear = false;
#ifdef COEFDYN_MUST_FAIL
  double exponent = 2;  // policies are empty: numbers are streams of class constant
#endif
  template <class R>
  static R apply(R s) {
    return s * s;
  }
};
tokens<mixer<power, evolution::identity, scaling::one, normalization::one>> x;
