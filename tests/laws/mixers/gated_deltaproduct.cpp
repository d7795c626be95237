// SPDX-License-Identifier: MIT
#include <coefdyn/mixers/delta_rule.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;

const mixer_group group{
    one<mixers::gated_deltaproduct_2>("gated_deltaproduct_2"),
    one<mixers::gated_deltaproduct_3>("gated_deltaproduct_3"),
    grouped<mixers::gated_deltaproduct_3>("gated_deltaproduct_3"),
    in_duals<mixers::gated_deltaproduct_3>("gated_deltaproduct_3"),
};
}  // namespace
