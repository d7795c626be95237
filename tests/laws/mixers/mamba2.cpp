// SPDX-License-Identifier: MIT
#include <coefdyn/mixers/state_space.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;

const mixer_group group{
    one<mixers::mamba2>("mamba2"),
    grouped<mixers::mamba2>("mamba2"),
    low_precision<mixers::mamba2>("mamba2"),
    one<mixers::mamba2_pseudo_lti_published>("mamba2_pseudo_lti_published"),
};
}  // namespace
