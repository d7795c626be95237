// SPDX-License-Identifier: MIT
// expects: coefdyn: the first (readout) policy of this mixer has data members; a policy is an empty type
// expects: coefdyn: the second (evolution) policy of this mixer has data members
// expects: coefdyn: the third (scaling) policy of this mixer has data members
// expects: coefdyn: the fourth (normalization) policy of this mixer has data members
// expects: coefdyn: the fifth (feature map) policy of this mixer has data members
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/feature/l2.hpp>
#include <coefdyn/normalization/sqrt_dim.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/delta.hpp>

using namespace coefdyn;
#ifndef COEFDYN_MUST_FAIL
#define COEFDYN_MUST_FAIL 0
#endif
/// P, with a number of its own where it is the one that fails.
template <class P, bool Fails>
struct numbered : P {};
template <class P>
struct numbered<P, true> : P {
  double number = 2;
};
template <class P, int Place>
using policy = numbered<P, Place == COEFDYN_MUST_FAIL>;
using M = mixer<policy<readout::linear, 1>, policy<evolution::scalar, 2>, policy<scaling::delta, 3>, policy<normalization::sqrt_dim, 4>,
                policy<feature::l2, 5>>;
void call(const tokens<M>& x, const view<float, 4>& y) { run(device::cpu{}, form::recurrent{}, x, y); }
