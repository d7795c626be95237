// SPDX-License-Identifier: MIT
// expects: coefdyn: the first (readout) policy of this mixer is an evolution; the order is mixer<readout, evolution, scaling,
// normalization> expects: coefdyn: the first (readout) policy of this mixer is a scaling expects: coefdyn: the first (readout) policy of
// this mixer is a feature map expects: coefdyn: the second (evolution) policy of this mixer is a readout map expects: coefdyn: the second
// (evolution) policy of this mixer is a scaling expects: coefdyn: the third (scaling) policy of this mixer is a normalization expects:
// coefdyn: the third (scaling) policy of this mixer is an evolution expects: coefdyn: the fourth (normalization) policy of this mixer is a
// feature map expects: coefdyn: the fourth (normalization) policy of this mixer is a scaling expects: coefdyn: the fifth (feature map)
// policy of this mixer is an evolution
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/feature/l2.hpp>
#include <coefdyn/normalization/sqrt_dim.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/delta.hpp>

using namespace coefdyn;
using phi = readout::linear;
using A = evolution::scalar;
using b = scaling::delta;
using eta = normalization::sqrt_dim;
using psi = feature::l2;
#ifndef COEFDYN_MUST_FAIL
using M = mixer<phi, A, b, eta, psi>;
#elif COEFDYN_MUST_FAIL == 1
using M = mixer<A, phi, b, eta, psi>;
#elif COEFDYN_MUST_FAIL == 2
using M = mixer<b, A, phi, eta, psi>;
#elif COEFDYN_MUST_FAIL == 3
using M = mixer<psi, A, b, eta, phi>;
#elif COEFDYN_MUST_FAIL == 4
using M = mixer<phi, phi, b, eta, psi>;
#elif COEFDYN_MUST_FAIL == 5
using M = mixer<phi, b, A, eta, psi>;
#elif COEFDYN_MUST_FAIL == 6
using M = mixer<phi, A, eta, b, psi>;
#elif COEFDYN_MUST_FAIL == 7
using M = mixer<phi, A, A, eta, psi>;
#elif COEFDYN_MUST_FAIL == 8
using M = mixer<phi, A, b, psi, eta>;
#elif COEFDYN_MUST_FAIL == 9
using M = mixer<phi, A, b, b, psi>;
#elif COEFDYN_MUST_FAIL == 10
using M = mixer<phi, A, b, eta, A>;
#endif
void call(const tokens<M>& x, const view<float, 4>& y) { run(device::cpu{}, form::recurrent{}, x, y); }
