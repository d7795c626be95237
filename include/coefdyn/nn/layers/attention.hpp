// SPDX-License-Identifier: MIT
#pragma once
#include "../../mixers/attention.hpp"
#include "../../mixers/linear_attention.hpp"
#include "../layer.hpp"

/// Layers of attention: with softmax or any phi, linear, and as the spectra's paper has them.
namespace coefdyn::nn {

/// Vaswani et al., arXiv:1706.03762, with Llama's names: q, k, v and o_proj; key_heads < heads shares keys and values. M says phi, and
/// RoPE as its evolution.
template <class M = mixers::softmax_rope_half, bias Bias = bias::no>
using attention = layer<M, give<stream::q, projection<"q_proj", Bias>>, give<stream::k, projection<"k_proj", Bias>>,
                        give<stream::v, projection<"v_proj", Bias>>, after<projected<"o_proj">>>;

namespace detail {
/// Without a sum to divide by, y is scaled by 1/sqrt(n).
template <class M>
using linear_stages = std::conditional_t<traits<M>::needs_sum, after<normed<"norm">, projected<"o_proj">>,
                                         after<by_inverse_root_n, normed<"norm">, projected<"o_proj">>>;
}  // namespace detail
/// Katharopoulos et al., arXiv:2006.16236, as in flash-linear-attention: a norm of each head's output.
template <class M = mixers::linear_attention_elu1>
using linear_attention = layer<M, give<stream::q, projection<"q_proj">>, give<stream::k, projection<"k_proj">>,
                               give<stream::v, projection<"v_proj">>, detail::linear_stages<M>>;

/// Whether q, k and v (not a norm's gate) pass a short convolution.
enum class convolution { no, yes };
namespace detail {
template <class In, convolution Conv>
using maybe_convolved = std::conditional_t<Conv == convolution::yes, convolved<"conv1d", In, bias::yes>, In>;
template <class M, convolution Conv>
struct paper_attention_of {
  using in = fused<"Wqkv", bias::yes, rows_of::queries, rows_of::queries, rows_of::values>;
  using qkv = maybe_convolved<in, Conv>;
  using type = layer<M, give<stream::q, part<qkv, 0>>, give<stream::k, part<qkv, 1>>, give<stream::v, part<qkv, 2>>,
                     after<projected<"out_proj", bias::yes>>, drops_weights>;
};
template <class M, convolution Conv>
  requires(coefdyn::detail::names<stream::eta_gate>(needs_of<M>{}))
struct paper_attention_of<M, Conv> {
  using in = fused<"Wvqkn", bias::yes, rows_of::values, rows_of::queries, rows_of::queries, rows_of::heads>;
  using vqk = maybe_convolved<part<in, 0, 3>, Conv>;
  using type =
      layer<M, give<stream::v, part<vqk, 0>>, give<stream::q, part<vqk, 1>>, give<stream::k, part<vqk, 2>>,
            give<stream::eta_gate, part<in, 3>>, give<stream::eta_offset, number<"inner_attn.offset", per::head, starts::spread<4, 9>>>,
            after<projected<"out_proj", bias::yes>>, drops_weights>;
};
}  // namespace detail
/// Attention of the spectra's paper, arXiv:2510.09379: one fused projection with bias, for softmax and linear attention in the order q, k,
/// v, for norm attention v, q, k, n with an offset; no norm after it. q and k may have fewer channels than v. sizes::drop_weights is its
/// dropout of attention weights (0.2 of linear attention on CIFAR).
template <class M = mixers::softmax_attention, convolution Conv = convolution::no>
using paper_attention = typename detail::paper_attention_of<M, Conv>::type;

}  // namespace coefdyn::nn
