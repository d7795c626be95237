// SPDX-License-Identifier: MIT
#pragma once
#include "stream.hpp"

/// What an evolution says of itself beyond being a linear map. Kernels are keyed by this value, never by the policy.
///
///   A_t = (I + s_t col_t row_t') D_t     row sees the decayed state
///   A_t = D_t + s_t col_t row_t'         row sees the undecayed state
///   D_t = diag(e^(log decay + i angle)), the angle on pairs of channels or on complex channels
namespace coefdyn {

/// D_t without its angles: 1, lambda_t, diag(lambda_t).
enum class decaying { none, scalar, channel };
/// col_t of a rank-one part: k_t, or the policy's column(at, c).
enum class rank_one { none, along_key, free };
/// What row_t' multiplies: the state after D_t, or before.
enum class sees { decayed, undecayed };
/// When y_i reads. Before the write it reads S_{i-1}, and the diagonal coefficient has bonus(at, c).
enum class reads { after_write, before_write };
/// Which channels an angle turns: (m, m + n/2), (2m, 2m + 1), or the complex channel c.
enum class turning { none, half_pairs, adjacent_pairs, channels };

/// What A_t is made of, as one value: the key of the forms' loops.
struct structure_of {
  decaying decay = decaying::none;
  rank_one correction = rank_one::none;
  sees row_sees = sees::decayed;
  reads order = reads::after_write;
  turning turns = turning::none;
  int micro_steps = 1;      // m rank-one factors or writes in one token; the decay acts before the first
  bool writes_each = true;  // every micro-step writes (DeltaProduct), or only the last (product of Householders)
  field over = field::real;
  bool constant = false;  // A_t does not depend on t
};

/// Whether A_t = I: nothing decays, turns or is corrected.
constexpr bool is_identity(const structure_of& s) {
  return s.decay == decaying::none && s.correction == rank_one::none && s.turns == turning::none;
}

/// An evolution that says what it is made of.
template <class E>
concept declares_structure = requires { typename std::integral_constant<decaying, E::structure.decay>; };

/// The structure that an evolution declares; that of the identity where it declares none.
template <class E>
constexpr structure_of structure_v{};
template <declares_structure E>
constexpr structure_of structure_v<E> = E::structure;
/// A linear map of the user's: its field, whether it is constant in time, and what reads first are all that is known.
template <class E>
  requires(!declares_structure<E> && (requires { E::is_constant; } || requires { E::reads_before_write; }))
constexpr structure_of structure_v<E> = [] {
  structure_of s;
  if constexpr (requires { E::is_constant; }) s.over = E::over, s.constant = E::is_constant;
  if constexpr (requires { E::reads_before_write; }) s.order = reads::before_write;
  return s;
}();

/// Channels first, first + 1 of pair p under a turning of n channels.
struct channel_pair {
  int x, y;
};
/// The channels that angle p turns, of n.
COEFDYN_HD constexpr channel_pair pair_of(turning how, int p, int n) {
  return how == turning::adjacent_pairs ? channel_pair{2 * p, 2 * p + 1} : channel_pair{p, p + n / 2};
}

/// What a policy's numbers are computed from: n and d alone; or also its streams in the gates' precision; or also the token's position; or
/// anything in the token, which is taken where `static constexpr basis depends_on` is not said. Numbers that need no row of q, k, v or the
/// like can be made ahead of the kernels that read the rows; those of `sizes`, or of `streams` without a time axis, are the same at every
/// token.
enum class basis { sizes, streams, numbers, token };
/// What the numbers of policy P depend on; a whole token where P does not say.
template <class P>
constexpr basis basis_of = basis::token;
template <class P>
  requires requires { std::integral_constant<basis, P::depends_on>{}; }
constexpr basis basis_of<P> = P::depends_on;
/// The widest of several policies' bases.
template <class... P>
constexpr basis basis_of_all = [] {
  basis widest = basis::sizes;
  ((widest = basis_of<P> > widest ? basis_of<P> : widest), ...);
  return widest;
}();

}  // namespace coefdyn
