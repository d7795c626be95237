// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/coefficient.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes, steps are the sequence: one Householder after the other") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("along the key") { law::layer_laws<nn::coefficient_householder<>>(z); }
  SUBCASE("along z, strength 1") { law::layer_laws<nn::coefficient_householder_z<nn::strength_is::one>>(z); }
}
}  // namespace
