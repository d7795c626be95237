// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <span>
#include <type_traits>

#include "errors.hpp"

namespace coefdyn {

namespace detail {
/// Contiguous numbers with a length that outlive the view: a container that has a name, or a span.
template <class Numbers, class T = void>
concept lends_numbers = (std::is_lvalue_reference_v<Numbers> || std::ranges::enable_borrowed_range<std::remove_cvref_t<Numbers>>) &&
                        requires(Numbers& numbers) {
                          { numbers.data() } -> std::convertible_to<const volatile void*>;
                          { numbers.size() } -> std::convertible_to<std::size_t>;
                          requires std::is_void_v<T> || std::is_convertible_v<decltype(numbers.data()), T*>;
                        };
/// Refuses extents below 0, and numbers that are fewer than they take.
constexpr void expect_numbers(int rank, const idx* extents, std::size_t given) {
  std::size_t room = given;  // so many of them for each element of the axes seen
  bool fits = true, empty = false, negative = false;
  for (int a = 0; a < rank; ++a) negative = negative || extents[a] < 0, empty = empty || extents[a] == 0;
  for (int a = 0; a < rank && !negative && !empty; ++a) room /= static_cast<std::size_t>(extents[a]), fits = fits && room > 0;
  if (negative) refuse({"view"}, {"extents of at least 0"}, {{extents, rank}});
  if (!empty && !fits) refuse({"view"}, {"numbers for every element of shape ", {extents, rank}}, {static_cast<idx>(given), " numbers"});
}
}  // namespace detail

/// A caller's array: pointer, extents and strides in elements (any strides; 0 repeats).
///
/// ```cpp statements with call
/// view q(numbers.data(), B, T, H, n);                                                          // row-major
/// view v(numbers, B, T, H, n);                                    // the same over a vector, array or span: its length is checked
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
      s = static_cast<idx>(static_cast<std::uint64_t>(s) * static_cast<std::uint64_t>(extents[a]));  // wraps; checks refuse such extents
    }
  }
  /// error   invalid_input where the numbers are fewer than the extents take (at compile time in a constant expression)
  template <class Numbers, class... I>
    requires(sizeof...(I) == Rank && (std::is_integral_v<I> && ...) && detail::lends_numbers<Numbers, T>)
  constexpr view(Numbers&& numbers, I... e) : view(numbers.data(), e...) {
    detail::expect_numbers(Rank, extents, numbers.size());
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
template <class Numbers, class... I>
  requires(sizeof...(I) > 0 && (std::is_integral_v<I> && ...) && detail::lends_numbers<Numbers>)
view(Numbers&&, I...) -> view<std::remove_pointer_t<decltype(std::declval<Numbers&>().data())>, int(sizeof...(I))>;

namespace detail {
/// A view of any type and rank, for the checks.
struct any_view {
  const void* data;
  std::size_t element;  // bytes
  int rank;
  const idx *extents, *strides;
  any_view() = default;
  template <class V>
  any_view(const V& v) : data(v.data), element(sizeof(*v.data)), rank(V::rank), extents(v.extents), strides(v.strides) {}
  bool unset() const { return is_unset(rank, extents, data != nullptr); }
};
inline void expect_view(const char* prefix, const char* name, const any_view& v, const idx* want) {
  expect_tensor(prefix, name, v.rank, want, v.extents, v.data != nullptr);
}
}  // namespace detail

/// A view of any type and rank.
template <class V>
concept is_view = requires(const V& v) { []<class T, int Rank>(const view<T, Rank>&) {}(v); };

}  // namespace coefdyn
