// SPDX-License-Identifier: MIT
#include <coefdyn/mixers/delta_rule.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;

const mixer_group group{
    one<mixers::deltaproduct_2>("deltaproduct_2"),
    one<mixers::deltaproduct_3>("deltaproduct_3"),
};
}  // namespace
