// SPDX-License-Identifier: MIT
#pragma once
#include "core/form.hpp"
#include "core/mixer.hpp"

/// Which form exists for which mixer: one sentence per theorem, checked before any kernel is named.
namespace coefdyn {

/// Whether products of A_t over a chunk are made of products of its parts.
template <class M>
constexpr bool is_chunkable = traits<M>::structured || traits<M>::structure.constant;

namespace detail {
template <class Tag, class... Need>
constexpr bool never_timed(list<Need...>) {
  return ((!std::is_same_v<Tag, typename Need::tag> || !Need::timed) && ...);
}
template <class Need>
struct tag_of {
  using type = typename Need::tag;
};
template <class Need>
struct tag_of<unless_declared<Need>> {
  using type = typename Need::tag;
};
template <class Tag>
struct tag_of<declared_elsewhere<Tag>> {
  using type = Tag;
};
template <class M, class... Need>
constexpr bool all_never_timed(list<Need...>) {
  return (never_timed<typename tag_of<Need>::type>(needs_of<M>{}) && ...);
}
}  // namespace detail

/// Whether policy P of mixer M, its scaling or its normalization, gives the same numbers at every token: it says that it depends on the
/// sizes alone, or on streams, and none of its streams has a time axis in M.
template <class M, class P>
constexpr bool same_at_every_token = basis_of<P> <= basis::streams && detail::all_never_timed<M>(detail::streams_t<P>{});
/// Whether the evolution of M is one map for all tokens: its structure, or for a linear map of the user's `is_constant`, says so.
template <class M>
constexpr bool is_one_map = traits<M>::structure.constant && detail::all_never_timed<M>(detail::streams_t<typename M::evolution>{});
/// Whether q' A^(i-j) b k / eta depends on i - j alone where q and k have the same row at every token.
template <class M>
constexpr bool is_time_invariant = traits<M>::linear && is_one_map<M> && !traits<M>::needs_sum &&
                                   same_at_every_token<M, typename M::scaling> && same_at_every_token<M, typename M::normalization>;

/// Whether mixer M has form F, by Lemma 1 and by the structure of A_t.
template <class F, class M>
constexpr bool form_exists = false;
template <class M>
constexpr bool form_exists<form::definition, M> = true;
template <class M>
constexpr bool form_exists<form::parallel, M> = traits<M>::structured;
template <class M>
constexpr bool form_exists<form::recurrent, M> = traits<M>::linear;
template <class M>
constexpr bool form_exists<form::chunkwise, M> = traits<M>::linear && is_chunkable<M>;
template <class M>
constexpr bool form_exists<form::convolution, M> = is_time_invariant<M>;
template <class M>
constexpr bool form_exists<form::step, M> = true;
template <class M>
constexpr bool form_exists<form::automatic, M> = true;

/// The only compile-time error of a form that a mixer cannot have.
template <class F, class M>
consteval void theorem() {
  if constexpr (std::is_same_v<F, form::recurrent>) {
    static_assert(traits<M>::linear,
                  "coefdyn: a recurrent form with a state of n x d exists only for a linear readout map (Lemma 1). "
                  "Use form::parallel, or a mixer whose readout has is_linear = true.");
  } else if constexpr (std::is_same_v<F, form::chunkwise>) {
    static_assert(traits<M>::linear,
                  "coefdyn: a chunkwise form carries a state, which exists only for a linear readout map (Lemma 1). "
                  "Use form::parallel, or a mixer whose readout has is_linear = true.");
    static_assert(!traits<M>::linear || is_chunkable<M>,
                  "coefdyn: a chunkwise form needs an evolution with a declared structure, or one that is constant in time. "
                  "Use form::recurrent, or give the evolution a structure_of.");
  } else if constexpr (std::is_same_v<F, form::convolution>) {
    constexpr bool linear = traits<M>::linear, constant = is_one_map<M>, scaled = same_at_every_token<M, typename M::scaling>;
    static_assert(linear,
                  "coefdyn: a convolution sums the values weighted by a kernel, which needs a linear readout map. "
                  "Use form::parallel, or a mixer whose readout has is_linear = true.");
    static_assert(!linear || constant,
                  "coefdyn: a convolution needs an evolution that does not depend on time. Use form::chunkwise or form::recurrent, or an "
                  "evolution whose structure says constant = true, or a linear map that says is_constant = true.");
    static_assert(!linear || !constant || scaled,
                  "coefdyn: a convolution needs a scaling b that does not depend on time. Use form::chunkwise or form::recurrent, or a "
                  "scaling that says depends_on = basis::streams (or sizes) and whose streams have no time axis.");
    static_assert(!linear || !constant || !scaled || is_time_invariant<M>,
                  "coefdyn: a convolution needs an eta that does not depend on time. Use form::chunkwise or form::recurrent, or a "
                  "normalization without a sum that says depends_on = basis::streams (or sizes) and whose streams have no time axis.");
  } else if constexpr (std::is_same_v<F, form::parallel>) {
    static_assert(traits<M>::structured,
                  "coefdyn: a parallel form moves queries through tiles, which needs an evolution with a declared structure. "
                  "Use form::definition, or give the evolution a structure_of.");
  }
}

}  // namespace coefdyn
