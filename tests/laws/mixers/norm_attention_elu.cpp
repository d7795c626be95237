// SPDX-License-Identifier: MIT
#include <coefdyn/mixers/linear_attention.hpp>
#include <coefdyn/normalization/gate.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;
namespace eta = normalization;

const mixer_group group{
    one<mixers::norm_attention_elu>("norm_attention_elu"),
    one<mixers::norm_attention_elu1<eta::psi::softplus>>("norm_attention_elu1_softplus"),
    low_precision<mixers::norm_attention_elu1<eta::psi::softplus>>("norm_attention_elu1_softplus"),
    in_duals<mixers::norm_attention_elu1<eta::psi::softplus>>("norm_attention_elu1_softplus"),
};
}  // namespace
