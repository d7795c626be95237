// SPDX-License-Identifier: MIT
// expects: the normalization (fourth policy) needs `static constexpr bool needs_sum`
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
struct twice {
#ifndef COEFDYN_MUST_FAIL
  static constexpr bool needs_sum = false;
#endif
  template <class R, class At>
  static R eta(R, const At&) {
    return R(2);
  }
};
tokens<mixer<readout::linear, evolution::identity, scaling::one, twice>> x;
