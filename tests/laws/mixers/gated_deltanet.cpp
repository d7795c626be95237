// SPDX-License-Identifier: MIT
#include <coefdyn/mixers/delta_rule.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;

const mixer_group group{
    one<mixers::gated_deltanet>("gated_deltanet"),
    grouped<mixers::gated_deltanet>("gated_deltanet"),
    low_precision<mixers::gated_deltanet>("gated_deltanet"),
    in_duals<mixers::gated_deltanet>("gated_deltanet"),
};
}  // namespace
