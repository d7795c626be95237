// SPDX-License-Identifier: MIT
#include <coefdyn/mixers/retention.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;

const mixer_group group{
    one<mixers::retnet>("retnet"),
    one<mixers::retnet_xpos>("retnet_xpos"),
    in_duals<mixers::retnet_xpos>("retnet_xpos"),
};
}  // namespace
