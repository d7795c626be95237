// SPDX-License-Identifier: MIT
// expects: a chunkwise form needs an evolution with a declared structure, or one that is constant in time
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;

/// Any linear map: no structure is declared.
struct exchange {
  template <class At, class X>
  static void apply(const At& at, X x) {
    const auto first = x[0];
    x[0] = x[at.n - 1];
    x[at.n - 1] = first;
  }
  template <class At, class X>
  static void apply_transposed(const At& at, X x) {
    apply(at, x);
  }
};
using M = mixer<readout::linear, exchange, scaling::one, normalization::one>;
#ifdef COEFDYN_MUST_FAIL
using asked = form::chunkwise;
#else
using asked = form::recurrent;
#endif
void call(const tokens<M>& x, const view<float, 4>& y) { run(device::cpu{}, asked{}, x, y); }
