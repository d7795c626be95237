// SPDX-License-Identifier: MIT
// expects: b = beta needs one beta per write, and a product of Householders has one per factor
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/evolution/householder.hpp>
#include <coefdyn/evolution/householder_product.hpp>
#include <coefdyn/evolution/writes.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/beta.hpp>

using namespace coefdyn;
#ifdef COEFDYN_MUST_FAIL
using A = evolution::householder_product<2>;
#else
using A = evolution::writes<2, evolution::householder<>>;
#endif
tokens<mixer<readout::linear, A, scaling::beta, normalization::one>> x;
