// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"

namespace coefdyn {

namespace detail {
template <class LogDecay, class Parameter>
struct parameter_need {
  using tag = Parameter;
  using type = need<Parameter, ticks::constant, LogDecay::inner, LogDecay::heads>;
};
template <class LogDecay, class Tag>
struct parameter_need<LogDecay, one_per_head<Tag>> {
  using tag = Tag;
  using type = need<Tag, ticks::constant, width::scalar, LogDecay::heads>;
};
/// What stands for a stream of A: itself, or raw numbers and parameters where it is the log decay.
template <class Need, class Parameters>
struct raw_instead {
  using type = list<Need>;
};
template <ticks Ticks, width Width, owner Owner, class... Parameter>
struct raw_instead<need<stream::log_decay, Ticks, Width, Owner>, list<Parameter...>> {
  using log_decay = need<stream::log_decay, Ticks, Width, Owner>;
  using type = list<need<stream::raw, Ticks, Width, Owner>, typename parameter_need<log_decay, Parameter>::type...>;
};
template <class Streams, class Parameters>
struct raw_streams;
template <class... Need, class Parameters>
struct raw_streams<list<Need...>, Parameters> {
  using type = concatenated<typename raw_instead<Need, Parameters>::type...>;
};
/// The parameters that a parameterisation names.
template <class P>
struct parameters_of {
  using type = list<>;
};
template <class P>
  requires requires { typename P::parameters; }
struct parameters_of<P> {
  using type = typename P::parameters;
};
/// Channel c of a stream that has channels, or else its one number.
template <class V>
COEFDYN_HD auto number_at(const V& v, int c) {
  if constexpr (requires { v[c]; }) return v[c];
  else return v;
}
template <class P, class At, class... Parameter>
COEFDYN_HD auto log_decay_of(const At& at, int c, list<Parameter...>) {
  using R = typename At::real;
  return P::log_decay(R(number_at(stream::raw::of(at), c)),
                      R(number_at(parameter_need<per_head<stream::log_decay>, Parameter>::tag::of(at), c))...);
}
}  // namespace detail

namespace evolution {

/// A with its log decay computed from a layer's raw numbers: log lambda = P(raw, parameters ..), per head or per channel as A has it. The
/// gradients of raw and of the parameters follow by dual numbers.
///
/// streams those of A, with raw in the shape of its log_decay, and P's parameters (dt_bias, A_log, ..) in that shape without time,
///         [H] or [H, n]
/// range   P's
/// error   refused for an A without a log_decay
/// source  P's: parameterisation::mamba2, gla, hgrn2, sigmoid, exp_exp, rwkv7, or yours: an empty struct with
///         `log_decay(raw, parameters..)`, generic over the real type, and `using parameters = list<tags..>`
template <class A, class P>
struct parameterised : A {
  static_assert(structure_v<A>.decay != decaying::none,
                "coefdyn: evolution::parameterised<A, P> needs an A with a log_decay, scalar or per channel; this one has none.");
  using parameterisation = P;
  using streams = typename detail::raw_streams<typename A::streams, typename detail::parameters_of<P>::type>::type;
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at)
    requires(structure_v<A>.decay == decaying::scalar)
  {
    return detail::log_decay_of<P>(at, 0, typename detail::parameters_of<P>::type{});
  }
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at, int c)
    requires(structure_v<A>.decay == decaying::channel)
  {
    return detail::log_decay_of<P>(at, c, typename detail::parameters_of<P>::type{});
  }
};

}  // namespace evolution
}  // namespace coefdyn
