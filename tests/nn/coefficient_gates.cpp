// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/coefficient.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes, steps are the sequence: one decay after the other") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("scalar, gla") { law::layer_laws<nn::coefficient_gla<evolution::scalar>>(z); }
  SUBCASE("diagonal, mamba2") { law::layer_laws<nn::coefficient_mamba2<evolution::diagonal>>(z); }
}
}  // namespace
