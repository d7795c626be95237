// SPDX-License-Identifier: MIT
// expects: a chunkwise form carries a state, which exists only for a linear readout map (Lemma 1)
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/mixers/attention.hpp>

using namespace coefdyn;
using M = mixers::path_attention;
#ifdef COEFDYN_MUST_FAIL
using asked = form::chunkwise;
#else
using asked = form::step;
#endif
void call(const tokens<M>& x, const view<float, 4>& y) { run(device::cpu{}, asked{}, x, y); }
