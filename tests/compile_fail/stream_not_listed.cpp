// SPDX-License-Identifier: MIT
// expects: coefdyn: a policy reads at.log_decay and does not list it
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
struct forget {
#ifndef COEFDYN_MUST_FAIL
  using streams = list<per_head<stream::log_decay>>;
#endif
  static constexpr structure_of structure{.decay = decaying::scalar};
  template <class At>
  static auto log_decay(const At& at) {
    return math::min(at.log_decay, typename At::real(0));
  }
};
tokens<mixer<readout::linear, forget, scaling::one, normalization::one>> x;
