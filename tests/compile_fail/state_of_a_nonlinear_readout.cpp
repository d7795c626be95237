// SPDX-License-Identifier: MIT
// expects: a state of n x d exists only for a linear readout map (Lemma 1); for a nonlinear one use cache<M>
#include <coefdyn/core/state.hpp>
#include <coefdyn/mixers/attention.hpp>
#include <coefdyn/mixers/linear_attention.hpp>

using namespace coefdyn;
#ifdef COEFDYN_MUST_FAIL
state<mixers::softmax_attention> s(1, 1, 8, 8);
#else
state<mixers::linear_attention> s(1, 1, 8, 8);
#endif
