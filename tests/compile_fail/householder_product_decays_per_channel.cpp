// SPDX-License-Identifier: MIT
// expects: a product of Householders decays by one number a head: decaying::none or decaying::scalar
#include <coefdyn/evolution/householder_product.hpp>

using namespace coefdyn;
#ifdef COEFDYN_MUST_FAIL
evolution::householder_product<2, decaying::channel> x;
#else
evolution::householder_product<2, decaying::scalar> x;
#endif
