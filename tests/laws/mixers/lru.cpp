// SPDX-License-Identifier: MIT
#include <coefdyn/mixers/state_space.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;

const mixer_group group{
    one<mixers::lru, field::complex>("lru"),
    low_precision<mixers::lru, field::complex>("lru"),
    in_duals<mixers::lru, field::complex>("lru"),
    grouped<mixers::lru, field::complex>("lru"),
};
}  // namespace
