// SPDX-License-Identifier: MIT
#pragma once
#include "coefdyn/mixers/all.hpp"
#include "custom.hpp"
#include "streams.hpp"

/// The mixers of the demo, each with the gates of its layer; one list for each unit that compiles them.
namespace demo {
namespace mixers = coefdyn::mixers;

template <class M, mixers::label Name, class Gates = gla_gates, field Over = field::real>
struct entry {
  using mixer = M;
  using streams = stream_set<M, Gates, Over>;
  static constexpr const char* name = Name.characters;
};

using attention_mixers =
    coefdyn::list<entry<mixers::softmax_attention, "softmax_attention">, entry<mixers::softmax_rope_half, "softmax_rope_half">,
                  entry<mixers::path_attention, "path_attention">, entry<mixers::relu_attention, "relu_attention">>;
using linear_mixers =
    coefdyn::list<entry<mixers::linear_attention_elu1, "linear_attention_elu1">,
                  entry<mixers::norm_attention_softplus, "norm_attention_softplus">, entry<mixers::retnet, "retnet", retention_gates>>;
using gated_mixers = coefdyn::list<entry<mixers::mamba2, "mamba2", mamba2_gates>, entry<mixers::gla, "gla", gla_gates>,
                                   entry<mixers::hgrn2, "hgrn2", hgrn2_gates>, entry<mixers::mlstm, "mlstm", sigmoid_gates>>;
using delta_mixers =
    coefdyn::list<entry<mixers::deltanet, "deltanet">, entry<mixers::gated_deltanet, "gated_deltanet", mamba2_gates>,
                  entry<mixers::kda, "kda", gla_gates>, entry<mixers::gated_deltaproduct_2, "gated_deltaproduct_2", mamba2_gates>>;
using recurrent_mixers =
    coefdyn::list<entry<mixers::rwkv6, "rwkv6", rwkv6_gates>, entry<mixers::rwkv7, "rwkv7", rwkv7_gates>,
                  entry<mixers::lru, "lru", ring_gates, field::complex>, entry<mirror_lstm, "mirror_lstm (custom)", sigmoid_gates>>;
}  // namespace demo
