// SPDX-License-Identifier: MIT
#include <coefdyn/mixers/gated_linear.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;

const mixer_group group{
    one<mixers::gla>("gla"),
    low_precision<mixers::gla>("gla"),
    in_duals<mixers::gla>("gla"),
};
}  // namespace
