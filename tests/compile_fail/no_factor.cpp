// SPDX-License-Identifier: MIT
// expects: a product of Householders has at least one factor
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/evolution/householder_product.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
#ifdef COEFDYN_MUST_FAIL
constexpr int factors = 0;
#else
constexpr int factors = 1;
#endif
tokens<mixer<readout::linear, evolution::householder_product<factors>, scaling::one, normalization::one>> x;
