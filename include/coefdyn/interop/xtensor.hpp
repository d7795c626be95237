// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <complex>
#include <string>
#include <type_traits>
#if __has_include(<xtensor/containers/xtensor.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xtensor.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xtensor.hpp>
#endif

#include "../core/complex.hpp"
#include "../core/errors.hpp"
#include "../core/tensor.hpp"

/// xtensor's containers, adaptors and strided views as coefdyn views, and the other way round. Nothing is copied.
///
/// ```cpp statements with call
/// xt::xtensor<float, 4> q({B, T, H, n});
/// x.q = interop::as_view(q);                              // any layout, any strides
/// xt::xarray<float> array(std::vector<std::size_t>{B, T, H, n});
/// x.k = interop::as_view<4>(array);                       // xt::xarray: its rank is checked at run time
/// auto S = interop::as_xtensor(view(s.S.data(), N, H, n, d));  // of a state<M> s
/// ```
///
/// std::complex<R> is read as coefdyn::complex<R>, which has its layout. A view lasts as long as the container.
/// error   invalid_input for another rank than asked for. xtensor 0.24 does not compile xt::xarray with clang 19; xt::xtensor it does
namespace coefdyn::interop {

namespace detail {
template <class T>
auto* coefdyn_pointer(T* p) {
  if constexpr (requires { typename std::remove_const_t<T>::value_type; }) {
    using C = complex<typename std::remove_const_t<T>::value_type>;
    return reinterpret_cast<std::conditional_t<std::is_const_v<T>, const C, C>*>(p);
  } else {
    return p;
  }
}
template <class T>
auto* xtensor_pointer(T* p) {
  using E = std::remove_const_t<T>;
  if constexpr (is_complex<E>) {
    using C = std::complex<decltype(E::re)>;
    return reinterpret_cast<std::conditional_t<std::is_const_v<T>, const C, C>*>(p);
  } else {
    return p;
  }
}
template <class E>
constexpr int static_rank = -1;
template <class E>
  requires(requires { std::tuple_size<typename E::shape_type>::value; })
constexpr int static_rank<E> = int(std::tuple_size<typename E::shape_type>::value);
}  // namespace detail

/// A container or strided view. Rank is needed where the type does not say it (xt::xarray).
template <int Rank = -1, class E>
  requires requires(E& e) { e.dimension(), e.data_offset(), e.strides(); }
auto as_view(E&& e) {
  using Container = std::remove_cvref_t<E>;
  constexpr int rank = Rank >= 0 ? Rank : detail::static_rank<Container>;
  static_assert(rank >= 0, "coefdyn: this container's type does not say its rank; write interop::as_view<rank>(x).");
  if (e.dimension() != std::size_t(rank))
    COEFDYN_THROW invalid_input("array", "rank " + std::to_string(rank), "rank " + std::to_string(e.dimension()));
  auto* p = detail::coefdyn_pointer(e.data() + e.data_offset());
  view<std::remove_pointer_t<decltype(p)>, rank> v;
  v.data = p;
  for (int a = 0; a < rank; ++a) {
    v.extents[a] = idx(e.shape()[std::size_t(a)]);
    v.strides[a] = idx(e.strides()[std::size_t(a)]);  // xtensor gives an axis of one element stride 0
  }
  return v;
}

/// A view as an xtensor adaptor that does not own it.
template <class T, int Rank>
auto as_xtensor(const view<T, Rank>& v) {
  std::array<std::size_t, std::size_t(Rank)> shape;
  std::array<std::ptrdiff_t, std::size_t(Rank)> strides;
  for (int a = 0; a < Rank; ++a) {
    const auto i = std::size_t(a);
    shape[i] = std::size_t(v.extents[a]);
    strides[i] = v.extents[a] == 1 ? 0 : std::ptrdiff_t(v.strides[a]);
  }
  return xt::adapt(detail::xtensor_pointer(v.data), std::size_t(v.size()), xt::no_ownership(), shape, strides);
}

}  // namespace coefdyn::interop
