// SPDX-License-Identifier: MIT
// expects: coefdyn: device::cpu comes with its header: #include <coefdyn/cpu/run.hpp>
#include <coefdyn/mixers/gated_linear.hpp>
#include <coefdyn/run.hpp>
#ifndef COEFDYN_MUST_FAIL
#include <coefdyn/cpu/run.hpp>
#endif

using namespace coefdyn;
void call(const tokens<mixers::simple_gla>& x, const view<float, 4>& y) {
  const device::cpu on{serial{}};
  run(on, form::recurrent{}, x, y);
}
