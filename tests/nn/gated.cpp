// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/coefficient.hpp>
#include <coefdyn/nn/layers/gated_linear.hpp>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes: gated linear attention") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("retention") {
    z.d = 8;
    law::gradients_are_slopes<nn::retention>(z);
  }
  SUBCASE("gla") {
    z.n = 2;
    law::gradients_are_slopes<nn::gla>(z);
  }
  SUBCASE("simple gla") { law::gradients_are_slopes<nn::simple_gla>(z); }
  SUBCASE("hgrn2") { law::gradients_are_slopes<nn::hgrn2>(z); }
  SUBCASE("mlstm") {
    z.n = 2;
    law::gradients_are_slopes<nn::mlstm>(z);
  }
}
TEST_CASE("gradients are slopes: one evolution after the other") {
  const nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("scalar, gla") { law::gradients_are_slopes<nn::coefficient_gla<evolution::scalar>>(z); }
  SUBCASE("diagonal, mamba2") { law::gradients_are_slopes<nn::coefficient_mamba2<evolution::diagonal>>(z); }
  SUBCASE("householder") { law::gradients_are_slopes<nn::coefficient_householder<>>(z); }
  SUBCASE("householder z, strength 1") { law::gradients_are_slopes<nn::coefficient_householder_z<nn::strength_is::one>>(z); }
}
}  // namespace
