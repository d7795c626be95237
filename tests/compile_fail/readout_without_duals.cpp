// SPDX-License-Identifier: MIT
// expects: that also takes dual numbers (call math::exp, not exp)
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
struct sine {
  static constexpr bool is_linear = false;
#ifdef COEFDYN_MUST_FAIL
  static double apply(double s) { return math::sin(s); }
#else
  template <class R>
  static R apply(R s) {
    return math::sin(s);
  }
#endif
};
tokens<mixer<sine, evolution::identity, scaling::one, normalization::one>> x;
