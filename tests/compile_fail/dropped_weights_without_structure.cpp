// SPDX-License-Identifier: MIT
// expects: coefdyn: nn::drops_weights needs a mixer with a parallel form, in which its reads have weights; this one has none
#include <coefdyn/evolution/dense.hpp>
#include <coefdyn/mixers/attention.hpp>
#include <coefdyn/nn/layer.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;

#ifdef COEFDYN_MUST_FAIL
using M = mixer<readout::linear, evolution::dense<field::real>, scaling::one, normalization::one>;
#else
using M = mixers::softmax_attention;
#endif
template class coefdyn::nn::layer<M, nn::drops_weights>;
