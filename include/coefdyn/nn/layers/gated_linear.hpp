// SPDX-License-Identifier: MIT
#pragma once
#include "../../mixers/gated_linear.hpp"
#include "../../mixers/mlstm.hpp"
#include "../../mixers/retention.hpp"
#include "../../parameterisation/hgrn2.hpp"
#include "../../parameterisation/sigmoid.hpp"
#include "../layer.hpp"
#include "../lower_bounds.hpp"

/// Layers of gated linear attention. Names are flash-linear-attention's, mLSTM's those of Hugging Face.
namespace coefdyn::nn {

namespace detail {
/// rms of each head, then a silu gate: the output of RetNet and GLA.
using swish_gated = after<normed<"g_norm_swish_gate">, gated<silu, projection<"g_proj">>, projected<"o_proj">>;
template <label Name, label Convolution>
struct convolved_projection : convolved<Convolution, projection<Name>> {  // a type: nvcc 13.0 loses names that an alias passes on
  using convolved<Convolution, projection<Name>>::convolved;
};
}  // namespace detail

/// Sun et al., arXiv:2307.08621: RoPE on q and k, decays 1 - 2^(-5-h). Published with d = 2 width / heads.
using retention = layer<mixers::retnet_xpos_half, give<stream::q, projection<"q_proj">>, give<stream::k, projection<"k_proj">>,
                        give<stream::v, projection<"v_proj">>, give<stream::theta, rope_angles>, give<stream::log_decay, retention_decays>,
                        detail::swish_gated>;
/// Yang et al., arXiv:2312.06635: a low-rank gate per channel, log sigmoid(x) / tau. Published with n = width / (2 heads), rank 16.
using gla =
    layer<mixers::gla, give<stream::q, projection<"q_proj">>, give<stream::k, projection<"k_proj">>, give<stream::v, projection<"v_proj">>,
          give<stream::log_decay, mapped<range::gla_decay, low_rank<"gk_proj.0", "gk_proj.1", bias::yes>>>, detail::swish_gated>;
/// The same paper's gate per head, with a short convolution on q, k and v.
using simple_gla = layer<mixers::simple_gla, give<stream::q, detail::convolved_projection<"q_proj", "q_conv1d">>,
                         give<stream::k, detail::convolved_projection<"k_proj", "k_conv1d">>,
                         give<stream::v, detail::convolved_projection<"v_proj", "v_conv1d">>,
                         give<stream::log_decay, mapped<range::gla_decay, projection<"gk_proj", bias::yes>>>, detail::swish_gated>;

namespace detail {
template <class Gate>
using hgrn2_with = layer<mixers::hgrn2, give<stream::q, mapped<range::by<silu>, projection<"q_proj">>>, give<stream::k, constant<1>>,
                         give<stream::v, projection<"i_proj">>, give<stream::log_decay, Gate>,
                         after<by_inverse_root_n, normed<"g_norm", norm::rms, over::all, over::all>, projected<"o_proj">>>;
}
/// Qin et al., arXiv:2404.07904: k = 1 - lambda, y scaled by 1/sqrt(n) as flash-linear-attention does.
using hgrn2 = detail::hgrn2_with<mapped<range::decay_by<parameterisation::sigmoid>, projection<"f_proj">>>;
/// The same with a learned lower bound of lambda per channel.
using hgrn2_lower_bound = detail::hgrn2_with<mapped<range::decay_by<parameterisation::hgrn2>, projection<"f_proj">, number<"lower_bound">>>;
/// The same as published: the bounds of all layers are made of one parameter of the model, lower_bounds [layers, heads n], and rise from
/// layer to layer; the first has none.
using hgrn2_rising_bound =
    detail::hgrn2_with<mapped<range::decay_by<parameterisation::hgrn2>, projection<"f_proj">, rising_bound<"lower_bounds">>>;

namespace detail {
template <label Name, class BiasStart>
struct gate_preact : projection<Name, bias::yes, layer_input, starts::zero, BiasStart> {
  using projection<Name, bias::yes, layer_input, starts::zero, BiasStart>::projection;
};
}  // namespace detail
/// Beck et al. (xLSTM), arXiv:2405.04517: gates capped at 15, layer norm of each head, a sigmoid gate. Published with n = width / (2
/// heads).
using mlstm = layer<mixers::mlstm, give<stream::q, projection<"q">>, give<stream::k, projection<"k">>, give<stream::v, projection<"v">>,
                    give<stream::input_gate, mapped<range::capped, detail::gate_preact<"igate_preact", starts::spread<-10, -10>>>>,
                    give<stream::log_decay, mapped<range::capped_decay, detail::gate_preact<"fgate_preact", starts::spread<3, 6>>>>,
                    after<normed<"multihead_norm", norm::layer, over::head, over::all, bias::no, 1e-6>,
                          gated<sigmoid, projection<"ogate_preact">>, projected<"out_proj">>>;

}  // namespace coefdyn::nn
