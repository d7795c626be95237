// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <type_traits>

#include "config.hpp"

namespace coefdyn {

/// A caller's array: pointer, extents and strides in elements (any strides; 0 repeats).
///
/// ```cpp statements with call
/// view q(numbers.data(), B, T, H, n);                                                          // row-major
/// view<float, 4> k{numbers.data(), {B, T, H, n}, {T * H * n, H * n, n, 1}};                     // any strides
/// ```
template <class T, int Rank>
struct view {
  static constexpr int rank = Rank;
  static constexpr std::size_t axes = static_cast<std::size_t>(Rank);
  T* data = nullptr;
  idx extents[Rank > 0 ? axes : 1] = {};
  idx strides[Rank > 0 ? axes : 1] = {};

  constexpr view() = default;
  COEFDYN_HD constexpr view(T* pointer, const idx (&e)[axes], const idx (&s)[axes]) : data(pointer) {
    for (int a = 0; a < Rank; ++a) extents[a] = e[a], strides[a] = s[a];
  }
  template <class... I>
    requires(sizeof...(I) == Rank && (std::is_integral_v<I> && ...))
  COEFDYN_HD constexpr view(T* pointer, I... e) : data(pointer), extents{static_cast<idx>(e)...} {
    idx s = 1;
    for (int a = Rank - 1; a >= 0; --a) {
      strides[a] = s;
      s *= extents[a];
    }
  }
  template <class U>
    requires(std::is_same_v<const U, T> && !std::is_same_v<U, T>)
  COEFDYN_HD constexpr view(const view<U, Rank>& o) : data(o.data) {
    for (int a = 0; a < Rank; ++a) extents[a] = o.extents[a], strides[a] = o.strides[a];
  }
  template <class... I>
    requires(sizeof...(I) == Rank)
  COEFDYN_HD constexpr T& operator()(I... i) const {
    int a = 0;
    idx offset = 0;
    ((offset += static_cast<idx>(i) * strides[a++]), ...);  // a loop over the axes would stay one at -O2
    return data[offset];
  }
  COEFDYN_HD constexpr idx size() const {
    idx s = 1;
    for (int a = 0; a < Rank; ++a) s *= extents[a];
    return s;
  }
  COEFDYN_HD constexpr explicit operator bool() const { return data != nullptr; }
};
template <class T, class... I>
view(T*, I...) -> view<T, int(sizeof...(I))>;
template <class T, std::size_t Axes>
view(T*, const idx (&)[Axes], const idx (&)[Axes]) -> view<T, int(Axes)>;

template <class V>
concept is_view = requires(const V& v) { []<class T, int Rank>(const view<T, Rank>&) {}(v); };

}  // namespace coefdyn
