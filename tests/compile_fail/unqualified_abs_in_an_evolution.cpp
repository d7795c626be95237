// SPDX-License-Identifier: MIT
// expects: coefdyn: a policy calls a function of plain numbers (std::exp, exp, std::abs, ...)
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one.hpp>
#include <cstdlib>

using namespace coefdyn;
struct forget {
  using streams = list<per_head<stream::log_decay>>;
  static constexpr structure_of structure{.decay = decaying::scalar};
  template <class At>
  static typename At::real log_decay(const At& at) {
#ifdef COEFDYN_MUST_FAIL
    return -abs(at.log_decay);
#else
    return -math::abs(at.log_decay);
#endif
  }
};
tokens<mixer<readout::linear, forget, scaling::one, normalization::one>> x;
