// SPDX-License-Identifier: MIT
#pragma once
#include "../../mixers/attention.hpp"
#include "../../mixers/delta_rule.hpp"
#include "../../parameterisation/mamba2.hpp"
#include "../layer.hpp"

/// Layers of delta rules and of Householders. Names are flash-linear-attention's.
namespace coefdyn::nn {

namespace detail {
template <per Bias>
using mamba_decay = give<stream::log_decay, mapped<range::decay_by<parameterisation::mamba2>, projection<"a_proj">,
                                                   number<"dt_bias", Bias, starts::step>, number<"A_log", Bias, starts::rate>>>;
using learned_strength = give<stream::beta, mapped<range::strength, projection<"b_proj">>>;
/// q, k and v from a projection and a short convolution with silu, each head of q and k divided by its length. (The names stand here: nvcc
/// 13.0 loses those that one alias template passes to another.)
template <class M, class... Part>
using delta_layer = layer<M, give<stream::q, unit_heads<convolved<"q_conv1d", projection<"q_proj">>>>,
                          give<stream::k, unit_heads<convolved<"k_conv1d", projection<"k_proj">>>>,
                          give<stream::v, convolved<"v_conv1d", projection<"v_proj">>>, learned_strength, Part...>;
template <class F, class Gate = projection<"g_proj">>
using norm_then_gate = after<normed<"o_norm">, gated<F, Gate>, projected<"o_proj">>;
}  // namespace detail

/// Yang et al., arXiv:2406.06484; `strongest` = 2 allows negative eigenvalues.
using deltanet = detail::delta_layer<mixers::deltanet, after<normed<"o_norm">, projected<"o_proj">>>;
/// The same with a silu gate.
using deltanet_gated = detail::delta_layer<mixers::deltanet, detail::norm_then_gate<silu>>;
/// Yang et al., arXiv:2412.06464; Qwen3-Next's formula too. heads are those of values, key_heads those of q and k.
using gated_deltanet =
    detail::delta_layer<mixers::gated_deltanet, grouped_values, detail::mamba_decay<per::head>, detail::norm_then_gate<silu>>;
/// Kimi Delta Attention, arXiv:2510.26692: a low-rank decay per channel, dt_bias per channel and A_log per head, a sigmoid gate.
using kda = detail::delta_layer<
    mixers::kda,
    give<stream::log_decay,
         mapped<range::decay_by<parameterisation::mamba2>, low_rank<"f_proj.0", "f_proj.1", bias::no, middle::value_channels>,
                number<"dt_bias", per::channel, starts::step>, number<"A_log", per::head, starts::rate>>>,
    detail::norm_then_gate<sigmoid, low_rank<"g_proj.0", "g_proj.1", bias::yes, middle::value_channels>>>;
/// Siems et al., arXiv:2502.10297: m writes per token. Published with `strongest` = 2.
template <int Writes>
using gated_deltaproduct =
    detail::delta_layer<mixers::gated_deltaproduct<Writes>, detail::mamba_decay<per::head>, detail::norm_then_gate<silu>>;

/// PaTH attention, arXiv:2505.16381, without a forget gate. Published with rank 32 and a convolution of width 3.
using path_attention =
    layer<mixers::path_attention, give<stream::q, projection<"q_proj">>, give<stream::k, projection<"k_proj">>,
          give<stream::v, projection<"v_proj">>, give<stream::z, unit_heads<convolved<"w_conv1d", low_rank<"w_proj.0", "w_proj.1">>>>,
          give<stream::beta, mapped<range::strength_to_two, projection<"bt_proj", bias::yes>>>, after<projected<"o_proj">>>;

}  // namespace coefdyn::nn
