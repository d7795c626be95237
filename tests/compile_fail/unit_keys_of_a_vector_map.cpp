// SPDX-License-Identifier: MIT
// expects: takes a feature map channel by channel; this one is of whole vectors
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/feature/elu_plus_one.hpp>
#include <coefdyn/feature/softmax.hpp>
#include <coefdyn/mixers/linear_attention.hpp>
#include <coefdyn/mixers/unit_keys.hpp>

using namespace coefdyn;
template <class Psi>
using attention = mixer<readout::linear, evolution::identity, scaling::one, normalization::one, Psi>;

tokens<mixers::unit_keys<attention<feature::elu_plus_one>>> fine;
#if defined(COEFDYN_MUST_FAIL)
tokens<mixers::unit_keys<attention<feature::softmax>>> x;
#endif
