// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <string_view>

#include "attention.hpp"
#include "delta_rule.hpp"
#include "gated_linear.hpp"
#include "linear_attention.hpp"
#include "mlstm.hpp"
#include "retention.hpp"
#include "rwkv.hpp"
#include "state_space.hpp"

/// Every named architecture under its name, for tests and tables.
namespace coefdyn::mixers {

/// A name as a template argument.
template <std::size_t N>
struct label {
  char characters[N];
  consteval label(const char (&text)[N]) { std::copy_n(text, N, characters); }
};

/// A mixer under its name; `over` is the field of q and k that the architecture is published with. Two names may have one type.
template <class M, label Name, field Over = field::real>
struct named {
  using mixer_type = M;
  static constexpr std::string_view name{Name.characters};
  static constexpr field over = Over;
};

using all =
    list<named<softmax_attention, "softmax_attention">, named<softmax_rope_half, "softmax_rope_half">,
         named<softmax_rope_interleaved, "softmax_rope_interleaved">, named<path_attention, "path_attention">,
         named<softmax_scalar, "softmax_scalar">, named<sigmoid_attention, "sigmoid_attention">, named<relu_attention, "relu_attention">,
         named<relu_attention_count, "relu_attention_count">, named<linear_attention, "linear_attention">,
         named<linear_attention_elu1, "linear_attention_elu1">, named<norm_attention_identity, "norm_attention_identity">,
         named<norm_attention_exp, "norm_attention_exp">, named<norm_attention_softplus, "norm_attention_softplus">,
         named<norm_attention_elu, "norm_attention_elu">, named<norm_attention_sigmoid, "norm_attention_sigmoid">,
         named<norm_attention_elu1<psi::softplus>, "norm_attention_elu1_softplus">,
         named<norm_attention_unscaled, "norm_attention_unscaled">, named<retnet, "retnet">, named<retnet_xpos, "retnet_xpos">,
         named<retnet_xpos_half, "retnet_xpos_half">, named<lightning_attention, "lightning_attention">, named<simple_gla, "simple_gla">,
         named<gla, "gla">, named<hgrn2, "hgrn2">, named<min_gru, "min_gru">, named<mlstm, "mlstm">,
         named<mlstm_no_forget, "mlstm_no_forget">, named<deltanet, "deltanet">, named<deltanet_z, "deltanet_z">,
         named<gated_deltanet, "gated_deltanet">, named<kda, "kda">, named<deltaproduct_2, "deltaproduct_2">,
         named<deltaproduct_3, "deltaproduct_3">, named<gated_deltaproduct_2, "gated_deltaproduct_2">,
         named<gated_deltaproduct_3, "gated_deltaproduct_3">, named<comba, "comba">, named<mamba2, "mamba2">,
         named<mamba2_pseudo_lti, "mamba2_pseudo_lti">, named<mamba2_pseudo_lti_published, "mamba2_pseudo_lti_published">, named<s6, "s6">,
         named<s6_complex, "s6_complex", field::complex>, named<lru, "lru", field::complex>, named<s4d, "s4d", field::complex>,
         named<s4d_real, "s4d_real">, named<s4, "s4", field::complex>, named<s5, "s5", field::complex>, named<rwkv6, "rwkv6">,
         named<rwkv7, "rwkv7">>;

/// Calls f(named<...>{}) for each of a list.
template <class... Named, class F>
constexpr void for_each(list<Named...>, F f) {
  (f(Named{}), ...);
}

}  // namespace coefdyn::mixers
