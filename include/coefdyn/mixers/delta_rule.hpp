// SPDX-License-Identifier: MIT
#pragma once
#include "../core/mixer.hpp"
#include "../evolution/diagonal_householder.hpp"
#include "../evolution/gated_householder.hpp"
#include "../evolution/householder.hpp"
#include "../evolution/scalar_plus_rank_one.hpp"
#include "../evolution/writes.hpp"
#include "../normalization/sqrt_dim.hpp"
#include "../readout/linear.hpp"
#include "../scaling/beta.hpp"

/// Delta rules: a write replaces what its key held. Keys are used as given: beta |k|^2 <= 2 keeps the
/// state bounded, as mixers::unit_keys<M> does for any keys; check_values(x) looks.
namespace coefdyn::mixers {

// clang-format off
//                                phi              A_t                                                    b_j            eta_i

/// Yang et al., arXiv:2406.06484.
using deltanet            = mixer<readout::linear, evolution::householder<>,                              scaling::beta, normalization::sqrt_dim>;
/// With its own direction z_t in place of k_t. arXiv:2510.09389.
using deltanet_z          = mixer<readout::linear, evolution::householder<evolution::along::z>,           scaling::beta, normalization::sqrt_dim>;
/// Yang et al., arXiv:2412.06464; published with several value heads on one query/key head (heads::grouped_values).
using gated_deltanet      = mixer<readout::linear, evolution::gated_householder<>,                        scaling::beta, normalization::sqrt_dim>;
/// Kimi Delta Attention: a decay per channel, before the Householder. Kimi Team, arXiv:2510.26692.
using kda                 = mixer<readout::linear, evolution::diagonal_householder<>,                     scaling::beta, normalization::sqrt_dim>;
/// m writes per token. Siems et al., arXiv:2502.10297.
template <int Writes>
using deltaproduct        = mixer<readout::linear, evolution::writes<Writes, evolution::householder<>>,       scaling::beta, normalization::sqrt_dim>;
/// m writes per token after one decay. Siems et al., arXiv:2502.10297.
template <int Writes>
using gated_deltaproduct  = mixer<readout::linear, evolution::writes<Writes, evolution::gated_householder<>>, scaling::beta, normalization::sqrt_dim>;
/// Hu et al., arXiv:2506.02475: a_t = -lambda_t beta_t k_t and c_t = p_t, the rank-one part on the decayed state.
using comba               = mixer<readout::linear, evolution::scalar_plus_rank_one,                       scaling::beta, normalization::sqrt_dim>;

/// Two writes a token.
using deltaproduct_2       = deltaproduct<2>;
/// Three writes a token.
using deltaproduct_3       = deltaproduct<3>;
/// Two writes a token after one decay.
using gated_deltaproduct_2 = gated_deltaproduct<2>;
/// Three writes a token after one decay.
using gated_deltaproduct_3 = gated_deltaproduct<3>;
// clang-format on

}  // namespace coefdyn::mixers
