// SPDX-License-Identifier: MIT
// expects: coefdyn: there is no readout::softmax: softmax is readout::exponential with normalization::sum
#include <coefdyn/coefdyn.hpp>

using namespace coefdyn;
#ifdef COEFDYN_MUST_FAIL
using phi = readout::softmax;
#else
using phi = readout::exponential;
#endif
using M = mixer<phi, evolution::identity, scaling::inverse_sqrt_dim, normalization::sum>;
void call(const tokens<M>& x, const view<float, 4>& y) { run(device::cpu{}, form::parallel{}, x, y); }
