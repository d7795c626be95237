// SPDX-License-Identifier: MIT
// expects: coefdyn: a part of nn::layer<M, parts..> is give<stream, source> for a stream that M has, after<stages..>, grouped_values or
#include <coefdyn/mixers/delta_rule.hpp>
#include <coefdyn/mixers/linear_attention.hpp>
#include <coefdyn/nn/layer.hpp>

using namespace coefdyn;

#ifdef COEFDYN_MUST_FAIL
using M = mixers::linear_attention;
#else
using M = mixers::deltanet;
#endif
template class coefdyn::nn::layer<M, nn::give<stream::beta, nn::constant<1>>>;
