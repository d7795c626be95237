// SPDX-License-Identifier: MIT
// expects: coefdyn: a policy reads at.delta and does not list it
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>

using namespace coefdyn;
struct twice_delta {
#ifndef COEFDYN_MUST_FAIL
  using streams = list<per_write<stream::delta>>;
#endif
  template <class At>
  static typename At::real scale(const At& at) {
    return 2 * at.delta;
  }
};
tokens<mixer<readout::linear, evolution::identity, twice_delta, normalization::one>> x;
