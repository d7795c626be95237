// SPDX-License-Identifier: MIT
#pragma once
#include <string_view>

#include "../core/label.hpp"
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

using coefdyn::label;

/// A mixer under its name. `Remark`: what its streams are called in its paper, or have to be. `Over`: the field of q and k that the
/// architecture is published with. Two names may have one type.
template <class M, label Name, label Remark = "", field Over = field::real>
struct named {
  using mixer_type = M;
  static constexpr std::string_view name = Name.text(), remark = Remark.text();
  static constexpr field over = Over;
};

// clang-format off
/// Every named architecture, in the order of the pages' tables.
using all = list<
    named<softmax_attention,            "softmax_attention">,
    named<softmax_rope_half,            "softmax_rope_half",            "theta_m = 10000^(-2m/n); channel m turns with m + n/2">,
    named<softmax_rope_interleaved,     "softmax_rope_interleaved",     "theta_m = 10000^(-2m/n); channel 2m turns with 2m + 1">,
    named<path_attention,               "path_attention",               "z of length 1, beta in 0..2">,
    named<softmax_scalar,               "softmax_scalar">,
    named<sigmoid_attention,            "sigmoid_attention">,
    named<relu_attention,               "relu_attention">,
    named<relu_attention_count,         "relu_attention_count">,
    named<linear_attention,             "linear_attention">,
    named<linear_attention_elu1,        "linear_attention_elu1",        "q and k before elu + 1">,
    named<norm_attention_identity,      "norm_attention_identity">,
    named<norm_attention_exp,           "norm_attention_exp">,
    named<norm_attention_softplus,      "norm_attention_softplus">,
    named<norm_attention_elu,           "norm_attention_elu">,
    named<norm_attention_sigmoid,       "norm_attention_sigmoid">,
    named<norm_attention_elu1<psi::softplus>, "norm_attention_elu1_softplus", "q and k before elu + 1">,
    named<norm_attention_unscaled,      "norm_attention_unscaled">,
    named<retnet,                       "retnet",                       "log_decay_h = log(1 - 2^(-5-h))">,
    named<retnet_xpos,                  "retnet_xpos",                  "as retnet; channel 2m turns with 2m + 1">,
    named<retnet_xpos_half,             "retnet_xpos_half",             "as retnet; channel m turns with m + n/2">,
    named<lightning_attention,          "lightning_attention",          "log_decay_h = -(8 / H)(1 - layer / layers) h">,
    named<simple_gla,                   "simple_gla">,
    named<gla,                          "gla",                          "log_decay = logsigmoid(raw) / 16 (parameterisation::gla)">,
    named<hgrn2,                        "hgrn2",                        "k holds ones; lambda is the forget gate (parameterisation::hgrn2)">,
    named<min_gru,                      "min_gru",                      "q and k hold ones, n = d = 1, a head per channel">,
    named<mlstm,                        "mlstm",                        "log_decay = logsigmoid(f) (parameterisation::sigmoid), input_gate = i">,
    named<mlstm_no_forget,              "mlstm_no_forget",              "input_gate = i">,
    named<deltanet,                     "deltanet",                     "k of length 1">,
    named<deltanet_z,                   "deltanet_z",                   "z of length 1">,
    named<gated_deltanet,               "gated_deltanet",               "k of length 1; log_decay = -exp(A_log) softplus(raw + dt_bias) (parameterisation::mamba2)">,
    named<kda,                          "kda",                          "k of length 1; log_decay likewise, per channel">,
    named<deltaproduct_2,               "deltaproduct_2",               "k of length 1, two writes a token">,
    named<deltaproduct_3,               "deltaproduct_3",               "k of length 1, three writes a token">,
    named<gated_deltaproduct_2,         "gated_deltaproduct_2",         "k of length 1, two writes a token after one decay">,
    named<gated_deltaproduct_3,         "gated_deltaproduct_3",         "k of length 1, three writes a token after one decay">,
    named<comba,                        "comba",                        "k of length 1; a = -lambda beta k, c = its p">,
    named<mamba2,                       "mamba2",                       "q is C, k is B, v its x; delta = softplus(dt + dt_bias), log_decay = -delta exp(A_log)">,
    named<mamba2_pseudo_lti,            "mamba2_pseudo_lti",            "q is C, k is B; log_decay does not depend on the token">,
    named<mamba2_pseudo_lti_published,  "mamba2_pseudo_lti_published",  "q is C, k is B; one log_decay per head">,
    named<s6,                           "s6",                           "Mamba-1: q is C, k is B, d = 1, a head per channel">,
    named<s6_complex,                   "s6_complex",                   "q is 2 C, k is B, d = 1, a head per channel", field::complex>,
    named<lru,                          "lru",                          "k is B u, v = 1, a query head per output with its row of C", field::complex>,
    named<s4d,                          "s4d",                          "q is 2 C, k the discretised B, d = 1, a head per channel", field::complex>,
    named<s4d_real,                     "s4d_real",                     "q is C, k the discretised B, d = 1, a head per channel">,
    named<s4,                           "s4",                           "A the discretised DPLR matrix, q is C, k the discretised B", field::complex>,
    named<s5,                           "s5",                           "as lru, the discretised B in k, 2 C in q", field::complex>,
    named<rwkv6,                        "rwkv6",                        "q is r, u its bonus; log_decay = -exp(w) (parameterisation::exp_exp)">,
    named<rwkv7,                        "rwkv7",                        "q is r; a = kappa iclr, c = -kappa, kappa its removal key of length 1">>;
// clang-format on

/// Calls f(named<...>{}) for each of a list.
template <class... Named, class F>
constexpr void for_each(list<Named...>, F f) {
  (f(Named{}), ...);
}

}  // namespace coefdyn::mixers
