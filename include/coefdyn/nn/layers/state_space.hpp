// SPDX-License-Identifier: MIT
#pragma once
#include "../../mixers/state_space.hpp"
#include "../../parameterisation/mamba2.hpp"
#include "../layer.hpp"
#include "attention.hpp"

/// Layers of real state space models.
namespace coefdyn::nn {

namespace detail {
/// x, B, C from columns First .. of a fused projection, through the convolution that they share; then the step size.
template <class In, class Mixed, int Step>
struct ssd_streams {
  using v = give<stream::v, part<Mixed, 0>>;
  using k = give<stream::k, part<Mixed, 1>>;
  using q = give<stream::q, part<Mixed, 2>>;
  using bias_number = number<"dt_bias", per::reading_head, starts::step>;
  using delta = give<stream::delta, mapped<range::step_by<parameterisation::mamba2>, part<In, Step>, bias_number>>;
  using log_decay = give<stream::log_decay, mapped<range::decay_by<parameterisation::mamba2>, part<In, Step>, bias_number,
                                                   number<"A_log", per::reading_head, starts::rate>>>;
};
using mamba2_in = fused<"in_proj", bias::no, rows_of::values, rows_of::values, rows_of::keys, rows_of::keys, rows_of::heads>;
using mamba2_streams = ssd_streams<mamba2_in, convolved<"conv1d", part<mamba2_in, 1, 3>, bias::yes>, 4>;
}  // namespace detail

/// Dao and Gu, arXiv:2405.21060, with the names of mamba_ssm: in_proj's rows are z, x, B, C, dt; the gate comes before the norm, which is
/// over groups of heads. heads d = 2 width as published; key_heads are the groups of B and C.
using mamba2 = layer<
    mixers::mamba2, grouped_values, typename detail::mamba2_streams::q, typename detail::mamba2_streams::k,
    typename detail::mamba2_streams::v, typename detail::mamba2_streams::delta, typename detail::mamba2_streams::log_decay,
    after<skip<"D">, gated<silu, part<detail::mamba2_in, 0>>, normed<"norm", norm::rms, over::group, over::all>, projected<"out_proj">>>;

namespace detail {
using ssd_in = fused<"in_proj", bias::no, rows_of::values, rows_of::keys, rows_of::keys, rows_of::heads>;
template <convolution Conv>
using ssd_parts = ssd_streams<ssd_in, maybe_convolved<part<ssd_in, 0, 3>, Conv>, 3>;
using lti_in = fused<"in_proj", bias::no, rows_of::values, rows_of::keys, rows_of::keys, rows_of::one>;
struct stepped_keys {
  explicit stepped_keys(const sizes&) {}
  template <class X>
  COEFDYN_HD X operator()(X k, X raw, X bias_) const {
    return math::softplus(raw + bias_) * k;
  }
};
template <convolution Conv>
using lti_parts = ssd_streams<lti_in, maybe_convolved<part<lti_in, 0, 3>, Conv>, 3>;
}  // namespace detail

/// Mamba-2 as in the spectra's code, arXiv:2510.09379: rows x, B, C, dt, no gate and no norm; heads d = width, key_heads = 1.
template <convolution Conv = convolution::yes>
using paper_ssd = layer<mixers::mamba2, grouped_values, typename detail::ssd_parts<Conv>::q, typename detail::ssd_parts<Conv>::k,
                        typename detail::ssd_parts<Conv>::v, typename detail::ssd_parts<Conv>::delta,
                        typename detail::ssd_parts<Conv>::log_decay, after<skip<"D">, projected<"out_proj">>>;
/// The same held time-invariant: one decay a head, exp(-softplus(A)); the step size of head h, from one projected number, scales the key
/// channels h n/H .. (h+1) n/H - 1 of the keys that all heads share. heads divide n.
template <convolution Conv = convolution::yes>
using paper_ssd_lti = layer<mixer<readout::linear, evolution::fixed_scalar, scaling::one, normalization::one>, grouped_values,
                            typename detail::lti_parts<Conv>::q,
                            give<stream::k, mapped<detail::stepped_keys, part<detail::maybe_convolved<part<detail::lti_in, 0, 3>, Conv>, 1>,
                                                   part<detail::lti_in, 3>, number<"dt_bias", per::reading_head, starts::step>>>,
                            typename detail::lti_parts<Conv>::v,
                            give<stream::log_decay, mapped<range::minus_softplus, number<"A", per::head, starts::uniform<-8, -2>>>>,
                            after<skip<"D">, projected<"out_proj">>>;

}  // namespace coefdyn::nn
