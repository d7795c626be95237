// SPDX-License-Identifier: MIT
// expects: a recurrent form with a state of n x d exists only for a linear readout map (Lemma 1)
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/mixers/attention.hpp>

using namespace coefdyn;
using M = mixers::softmax_attention;
#ifdef COEFDYN_MUST_FAIL
using asked = form::recurrent;
#else
using asked = form::parallel;
#endif
void call(const tokens<M>& x, const view<float, 4>& y) { run(device::cpu{}, asked{}, x, y); }
