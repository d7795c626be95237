// SPDX-License-Identifier: MIT
#include <coefdyn/mixers/rwkv.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;

const mixer_group group{
    one<mixers::rwkv7>("rwkv7"),
    low_precision<mixers::rwkv7>("rwkv7"),
    in_duals<mixers::rwkv7>("rwkv7"),
};
}  // namespace
