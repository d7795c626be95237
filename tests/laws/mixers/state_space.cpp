// SPDX-License-Identifier: MIT
#include <coefdyn/mixers/state_space.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;

const mixer_group group{
    one<mixers::s6>("s6"),
    one<mixers::s4d_real>("s4d_real"),
    one<mixers::mamba2_pseudo_lti>("mamba2_pseudo_lti"),
};
}  // namespace
