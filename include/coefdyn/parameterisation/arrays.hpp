// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <string>
#include <utility>

#include "../core/errors.hpp"
#include "../core/range.hpp"
#include "../core/stream.hpp"

/// Whole arrays through a parameterisation: a layer's raw gates to log decays, and gradients back.
///
/// ```cpp statements with gates
/// using namespace parameterisation;
/// log_decay<mamba2>(log_lambda, x, over(dt_bias, x), over(A_log, x));
/// pull_back<mamba2>(d_log_lambda, {x, over(dt_bias, x), over(A_log, x)}, {dx, over(d_dt_bias, x), {}});  // none of A_log wanted
/// ```
///
/// A parameterisation P is an empty struct with
///   log_decay(x, parameters...)        generic over the real type, so dual numbers pass
///   pull_back(d, x, parameters...)     d times the derivative by each argument, in their order
///   using parameters = list<tags...>   their streams, where it has any: evolution::parameterised<A, P> needs nothing else of it
namespace coefdyn::parameterisation {

/// Derivatives by the arguments of log_decay, in their order.
template <class R, int Arguments>
struct partials {
  R by[static_cast<std::size_t>(Arguments)];
  COEFDYN_HD R operator[](int argument) const { return by[argument]; }
};

/// A parameter of fewer axes seen in the shape of x: its axes are x's last ones, or start at axis `first`.
template <class P, int Rank, class X, int RankX>
view<P, RankX> over(const view<P, Rank>& parameter, const view<X, RankX>& x, int first = RankX - Rank) {
  static_assert(Rank <= RankX, "coefdyn: a parameter has no more axes than the gates that it belongs to.");
  view<P, RankX> out;
  out.data = parameter.data;
  for (int a = 0; a < RankX; ++a) {
    const bool own = a >= first && a < first + Rank;
    if (own && parameter.extents[a - first] != x.extents[a])
      COEFDYN_THROW invalid_input("parameter", std::to_string(x.extents[a]) + " along axis " + std::to_string(a - first),
                                  std::to_string(parameter.extents[a - first]));
    out.extents[a] = x.extents[a];
    out.strides[a] = own ? parameter.strides[a - first] : 0;
  }
  return out;
}

namespace detail {
template <class A, class B, int Rank>
void expect_same(const view<A, Rank>& a, const view<B, Rank>& b, const char* name) {
  for (int i = 0; i < Rank; ++i)
    if (a.extents[i] != b.extents[i])
      COEFDYN_THROW invalid_input(name, "shape " + coefdyn::detail::shape_text(a.extents, Rank),
                                  "shape " + coefdyn::detail::shape_text(b.extents, Rank));
}
/// f(offset of each view) at every element.
template <int Rank, std::size_t Views, class F>
void each(const idx (&extents)[static_cast<std::size_t>(Rank)], const std::array<const idx*, Views>& strides, F f) {
  idx at[static_cast<std::size_t>(Rank)] = {}, total = 1;
  for (const idx e : extents) total *= e;
  for (idx i = 0; i < total; ++i) {
    std::array<idx, Views> offset{};
    for (std::size_t s = 0; s < Views; ++s)
      for (int a = 0; a < Rank; ++a) offset[s] += at[a] * strides[s][a];
    f(offset);
    for (int a = Rank - 1; a >= 0 && ++at[a] == extents[a]; --a) at[a] = 0;
  }
}
template <class P, class R, int Rank, std::size_t... I, std::size_t N>
void pull_back(const view<const R, Rank>& d, const std::array<view<const R, Rank>, N>& arguments,
               const std::array<view<R, Rank>, N>& gradients, std::index_sequence<I...>) {
  (expect_same(d, arguments[I], "argument"), ...);
  ((gradients[I] ? expect_same(d, gradients[I], "gradient") : void()), ...);
  each<Rank, 2 * N + 1>(d.extents, {d.strides, arguments[I].strides..., gradients[I].strides...}, [&](const auto& o) {
    const partials<R, int(N)> g = P::pull_back(d.data[o[0]], arguments[I].data[o[1 + I]]...);
    ((gradients[I] ? void(gradients[I].data[o[1 + N + I]] += g[int(I)]) : void()), ...);
  });
}
}  // namespace detail

/// out = P::log_decay(x, parameters...), element by element; parameters are views in x's shape (`over`).
template <class P, class R, int Rank, class X, class... Parameter>
void log_decay(const view<R, Rank>& out, const view<X, Rank>& x, const view<Parameter, Rank>&... parameters) {
  detail::expect_same(out, x, "x");
  (detail::expect_same(out, parameters, "parameter"), ...);
  detail::each<Rank, 2 + sizeof...(Parameter)>(out.extents, {out.strides, x.strides, parameters.strides...}, [&](const auto& o) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      out.data[o[0]] = P::log_decay(static_cast<R>(x.data[o[1]]), static_cast<R>(parameters.data[o[2 + I]])...);
    }(std::index_sequence_for<Parameter...>{});
  });
}

/// Adds the gradients by x and by each parameter; a parameter's, through its stride 0, is the sum over what shares it. Empty
/// views are skipped.
template <class P, class R, int Rank, std::size_t N>
void pull_back(const view<const R, Rank>& d, const std::array<view<const R, Rank>, N>& arguments,
               const std::array<view<R, Rank>, N>& gradients) {
  detail::pull_back<P>(d, arguments, gradients, std::make_index_sequence<N>{});
}
/// The same for lists in braces, as in the call above.
template <class P, class R, int Rank, std::size_t N>
void pull_back(const view<R, Rank>& d, const view<const std::remove_const_t<R>, Rank> (&arguments)[N],
               const view<std::remove_const_t<R>, Rank> (&gradients)[N]) {
  pull_back<P>(view<const std::remove_const_t<R>, Rank>(d), std::to_array(arguments), std::to_array(gradients));
}

}  // namespace coefdyn::parameterisation
