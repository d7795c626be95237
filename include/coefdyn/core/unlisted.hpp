// SPDX-License-Identifier: MIT
#pragma once
#include <type_traits>

#include "math.hpp"
#include "token.hpp"

/// The token that policies are tried on when a mixer is named: dual numbers, as gradients have them, and under the name of every stream
/// that is not there an `unlisted`, with which a policy that reads it gets one sentence instead of the compiler's "no such member".
namespace coefdyn::detail {

using trial = dual<double>;

/// Goes through arithmetic as a number would; the sentence comes where it is to become one.
template <class Tag>
struct unlisted {
  using tag = Tag;
  constexpr unlisted() = default;
  template <class A>
    requires std::is_arithmetic_v<A>
  COEFDYN_HD constexpr unlisted(A) {}
  template <class T>
    requires std::is_same_v<T, trial>
  COEFDYN_HD constexpr operator T() const {
    Tag::template read_without_being_listed<T>();
    return T();
  }
  COEFDYN_HD constexpr unlisted operator[](int) const { return {}; }
  COEFDYN_HD constexpr unlisted operator()(int, int) const { return {}; }
  COEFDYN_HD constexpr unlisted operator-() const { return {}; }
};
template <class T>
constexpr bool is_unlisted = false;
template <class Tag>
constexpr bool is_unlisted<unlisted<Tag>> = true;
template <class X, class Y>
concept with_unlisted = is_unlisted<X> || is_unlisted<Y>;
template <class X, class Y>
using unlisted_of = std::conditional_t<is_unlisted<X>, X, Y>;

// clang-format off
template <class X, class Y> requires with_unlisted<X, Y> COEFDYN_HD constexpr unlisted_of<X, Y> operator+(X, Y) { return {}; }
template <class X, class Y> requires with_unlisted<X, Y> COEFDYN_HD constexpr unlisted_of<X, Y> operator-(X, Y) { return {}; }
template <class X, class Y> requires with_unlisted<X, Y> COEFDYN_HD constexpr unlisted_of<X, Y> operator*(X, Y) { return {}; }
template <class X, class Y> requires with_unlisted<X, Y> COEFDYN_HD constexpr unlisted_of<X, Y> operator/(X, Y) { return {}; }
template <class X, class Y> requires with_unlisted<X, Y> COEFDYN_HD constexpr bool operator<(X, Y) { return false; }
template <class X, class Y> requires with_unlisted<X, Y> COEFDYN_HD constexpr bool operator>(X, Y) { return false; }
template <class X, class Y> requires with_unlisted<X, Y> COEFDYN_HD constexpr bool operator<=(X, Y) { return false; }
template <class X, class Y> requires with_unlisted<X, Y> COEFDYN_HD constexpr bool operator>=(X, Y) { return false; }
template <class X, class Y> requires with_unlisted<X, Y> COEFDYN_HD constexpr bool operator==(X, Y) { return false; }
// what math:: calls of a number type that brings its own functions
template <class Tag> COEFDYN_HD constexpr unlisted<Tag> own_exp(unlisted<Tag>) { return {}; }
template <class Tag> COEFDYN_HD constexpr unlisted<Tag> own_expm1(unlisted<Tag>) { return {}; }
template <class Tag> COEFDYN_HD constexpr unlisted<Tag> own_log(unlisted<Tag>) { return {}; }
template <class Tag> COEFDYN_HD constexpr unlisted<Tag> own_log1p(unlisted<Tag>) { return {}; }
template <class Tag> COEFDYN_HD constexpr unlisted<Tag> own_tanh(unlisted<Tag>) { return {}; }
template <class Tag> COEFDYN_HD constexpr unlisted<Tag> own_sqrt(unlisted<Tag>) { return {}; }
template <class Tag> COEFDYN_HD constexpr unlisted<Tag> own_sin(unlisted<Tag>) { return {}; }
template <class Tag> COEFDYN_HD constexpr unlisted<Tag> own_cos(unlisted<Tag>) { return {}; }
template <class Tag> COEFDYN_HD constexpr unlisted<Tag> own_softplus(unlisted<Tag>) { return {}; }
// clang-format on

/// The member of a stream's name, unless the token has it.
template <class Tag, bool There>
struct absent : Tag::template field<unlisted<Tag>> {};
template <class Tag>
struct absent<Tag, true> {};

template <class Needs, class Streams>
struct absent_streams;
template <class... Need, class... Tag>
struct absent_streams<list<Need...>, list<Tag...>> : absent<Tag, names<Tag>(list<Need...>{})>... {};

template <class Needs>
struct trial_token : token<trial, Needs>, absent_streams<Needs, every_stream> {};

}  // namespace coefdyn::detail

namespace coefdyn::math {
/// Of a stream that a policy reads without listing it: unlisted as well, so that the sentence about it is the only error.
///@{
template <class X, class Y>
  requires coefdyn::detail::with_unlisted<X, Y>
COEFDYN_HD constexpr coefdyn::detail::unlisted_of<X, Y> min(X, Y) {
  return {};
}
template <class X, class Y>
  requires coefdyn::detail::with_unlisted<X, Y>
COEFDYN_HD constexpr coefdyn::detail::unlisted_of<X, Y> max(X, Y) {
  return {};
}
template <class X, class Y>
  requires coefdyn::detail::with_unlisted<X, Y>
COEFDYN_HD constexpr coefdyn::detail::unlisted_of<X, Y> select(bool, X, Y) {
  return {};
}
///@}
}  // namespace coefdyn::math
