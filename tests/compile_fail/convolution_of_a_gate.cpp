// SPDX-License-Identifier: MIT
// expects: a convolution needs an evolution that does not depend on time
// expects: a convolution needs a scaling b that does not depend on time
// expects: a convolution needs an eta that does not depend on time
// expects: a convolution needs an eta that does not depend on time
// expects: a convolution sums the values weighted by a kernel, which needs a linear readout map
// expects: form::convolution is in a header of its own
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/evolution/diagonal.hpp>
#include <coefdyn/evolution/fixed_diagonal.hpp>
#include <coefdyn/normalization/count.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/readout/sigmoid.hpp>
#include <coefdyn/scaling/delta.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;

using constant = mixer<readout::linear, evolution::fixed_diagonal, scaling::one, normalization::one>;
#ifndef COEFDYN_MUST_FAIL
using M = constant;
#elif COEFDYN_MUST_FAIL == 1
using M = mixer<readout::linear, evolution::diagonal, scaling::one, normalization::one>;
#elif COEFDYN_MUST_FAIL == 2
using M = mixer<readout::linear, evolution::fixed_diagonal, scaling::delta, normalization::one>;
#elif COEFDYN_MUST_FAIL == 3
using M = mixer<readout::linear, evolution::fixed_diagonal, scaling::one, normalization::count>;
#elif COEFDYN_MUST_FAIL == 4
using M = mixer<readout::linear, evolution::fixed_diagonal, scaling::one, normalization::sum>;
#elif COEFDYN_MUST_FAIL == 5
using M = mixer<readout::sigmoid, evolution::fixed_diagonal, scaling::one, normalization::one>;
#else
using M = constant;
#endif
#ifdef COEFDYN_MUST_FAIL
using asked = form::convolution;
#else
using asked = form::recurrent;
static_assert(form_exists<form::convolution, constant>);
#endif
static_assert(form_exists<form::convolution, M> == std::is_same_v<M, constant>);
void call(const tokens<M>& x, const view<float, 4>& y) { run(device::cpu{}, asked{}, x, y); }
