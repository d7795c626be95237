// SPDX-License-Identifier: MIT
// expects: coefdyn: a policy calls a function of plain numbers (std::exp, exp, std::abs, ...)
#include <cmath>
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
struct gaussian {
  static constexpr bool is_linear = false;
  template <class R>
  static R apply(R s) {
#ifdef COEFDYN_MUST_FAIL
    return std::exp(-s * s);
#else
    return math::exp(-s * s);
#endif
  }
};
using M = mixer<gaussian, evolution::identity, scaling::one, normalization::one>;
void call(const tokens<M>& x, const view<float, 4>& y) { run(device::cpu{}, form::parallel{}, x, y); }
