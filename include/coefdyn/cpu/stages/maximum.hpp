// SPDX-License-Identifier: MIT
#pragma once
#include "../../core/evolve.hpp"
#include "../../core/state.hpp"

/// The running maximum m that exponentials are kept scaled by: where it starts, how a token moves it, and which forms take one out of phi.
namespace coefdyn::cpu {

/// Whether a row's maximum is taken out of an exponential phi: where the normalization puts it back without forming it.
template <class M>
constexpr bool takes_maximum =
    traits<M>::needs_max && (traits<M>::needs_sum || requires { &M::normalization::template log_inverse<reader_token<double, M>>; });
/// m before any weight: an exponential readout starts from nothing, a floor from 0.
template <class M, class R>
COEFDYN_HD R starting_maximum() {
  if constexpr (takes_maximum<M> || traits<M>::stabilised) return empty_maximum<M, R>();
  else return R(0);
}

/// m before the first token.
template <class M, class Types, class R>
COEFDYN_HD R initial_maximum(const carried<M, Types>& c, idx sequence, int h) {
  if constexpr (!traits<M>::stabilised) return R(0);
  else if (!c.initial) return empty_maximum<M, R>();
  else return c.initial.m ? math::converted_maximum<R>(c.initial.m(sequence, h)) : R(0);
}
/// m before the first token when gradients of the initial state may be wanted without one: the state is then a zero with m = 0.
template <class M, class R, class Types>
COEFDYN_HD R starting_scale(const carried<M, Types>& c, const carried_gradients<M, Types>& s, idx sequence, int h) {
  if (traits<M>::stabilised && !c.initial && s.initial) return R(0);
  return initial_maximum<M, Types, R>(c, sequence, h);
}

/// log of the largest decay of token i. A rank-one part on the undecayed state, or a map without structure, is not bounded by its
/// decay: there it counts as 0.
template <class M, class R, class Frame>
COEFDYN_HD R largest_log_decay(const Frame& f, idx i, idx position) {
  using A = typename M::evolution;
  using traits_ = traits<M>;
  R largest(0);
  if constexpr (traits_::structure.decay != decaying::none &&
                !(traits_::structure.correction != rank_one::none && traits_::structure.row_sees == sees::undecayed)) {
    const auto first = f.at(i, 0, position);
    largest = log_decay_of<A>(first, 0);
    for (int c = 1; c < (traits_::structure.decay == decaying::channel ? first.n : 1); ++c)
      largest = math::max(largest, R(log_decay_of<A>(first, c)));
  }
  return largest;
}

/// m_t = max(m_{t-1} + log decay, log b_t) (and 0 under a floored sum); returns m_{t-1} - m_t, which joins the log decay, and 0 where
/// nothing of what was written before is left. Where the token's evolution does not act, on nothing, its decay counts as 0.
template <class M, class R, class Frame>
COEFDYN_HD R next_maximum(const Frame& f, int i, idx position, R& m, bool acts = true) {
  using traits_ = traits<M>;
  const R before = m, left = acts ? before + largest_log_decay<M, R>(f, i, position) : before;
  const bool none = math::is_unset(left);
  R top = none ? math::unset_maximum<R>() : left;
  for (int l = 0; l < traits_::micro; ++l)
    if (traits_::writes_at(l)) top = math::max(top, R(M::scaling::log_scale(f.at(i, l, position))));
  if constexpr (traits_::floored) top = math::max(top, R(0));
  m = top;
  return none ? R(0) : before - top;
}

}  // namespace coefdyn::cpu
