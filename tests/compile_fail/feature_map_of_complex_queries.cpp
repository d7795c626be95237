// SPDX-License-Identifier: MIT
// expects: a feature map acts on real q and k only
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/evolution/complex_diagonal.hpp>
#include <coefdyn/feature/elu_plus_one.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
#ifdef COEFDYN_MUST_FAIL
constexpr field over = field::complex;
#else
constexpr field over = field::real;
#endif
tokens<mixer<readout::linear, evolution::complex_diagonal, scaling::one, normalization::one, feature::elu_plus_one>, float,
       heads::grouped_queries, over>
    x;
