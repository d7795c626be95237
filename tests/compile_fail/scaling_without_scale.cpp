// SPDX-License-Identifier: MIT
// expects: the scaling (third policy) needs
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>

using namespace coefdyn;
struct doubled {
#ifndef COEFDYN_MUST_FAIL
  template <class At>
  static typename At::real scale(const At&) {
    return typename At::real(2);
  }
#endif
};
tokens<mixer<readout::linear, evolution::identity, doubled, normalization::one>> x;
