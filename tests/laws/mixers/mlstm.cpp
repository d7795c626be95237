// SPDX-License-Identifier: MIT
#include <coefdyn/mixers/mlstm.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;

const mixer_group group{
    one<mixers::mlstm>("mlstm"),
    grouped<mixers::mlstm>("mlstm"),
    low_precision<mixers::mlstm>("mlstm"),
    in_duals<mixers::mlstm>("mlstm"),
};
}  // namespace
