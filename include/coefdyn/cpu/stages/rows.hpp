// SPDX-License-Identifier: MIT
#pragma once
#include <cstring>
#include <type_traits>

#include "../../core/channels.hpp"
#include "../../core/complex.hpp"
#include "../../core/config.hpp"
#include "../../core/low_precision.hpp"

/// Rows of numbers in plain code, written so that every compiler makes vectors of them at -O2 and for any type.
namespace coefdyn::cpu {

template <class X>
COEFDYN_HD void clear(X* p, idx count) {
  for (idx i = 0; i < count; ++i) p[i] = X{};  // compilers see a memset
}
template <class X>
COEFDYN_HD void copy(const X* from, idx count, X* to) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_trivially_copyable_v<X>) {
    if (count > 0) std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(X));
    return;
  }
#endif
  for (idx i = 0; i < count; ++i) to[i] = from[i];
}
/// Asks for `count` entries from p on, to be read or, if Write, written soon.
template <bool Write, class X>
void fetch([[maybe_unused]] const X* p, [[maybe_unused]] idx count) {
#if defined(__GNUC__)
  constexpr idx line = 64 / idx(sizeof(X));
  for (idx i = 0; i < count; i += line) __builtin_prefetch(p + i, Write ? 1 : 0, 2);
#endif
}
/// Zeros above the diagonal of G (rows, rows), and on it if `strict`.
template <class R>
void clear_above(int rows, bool strict, R* G) {
  for (int i = 0; i < rows; ++i) {
    const int first = i + (strict ? 0 : 1);
    clear(G + idx(i) * rows + first, rows - first);
  }
}

/// Conversion of one number between storage and arithmetic.
template <class To, class From>
COEFDYN_HD To converted(const From& x) {
  if constexpr (is_complex<To>) {
    using Real = decltype(To{}.re);
    return {static_cast<Real>(x.re), static_cast<Real>(x.im)};
  } else if constexpr (std::is_same_v<To, bf16> || std::is_same_v<To, half>) {
    return To(static_cast<float>(x));
  } else {
    return static_cast<To>(x);
  }
}
/// A row from or to the caller's memory.
template <class From, class To>
COEFDYN_HD void convert(idx count, const From* from, idx from_stride, To* to, idx to_stride) {
  if (from_stride == 1 && to_stride == 1) {
    if constexpr (std::is_same_v<From, To>) copy(from, count, to);
    else by_channel(static_cast<int>(count), to, [&](int i) { return converted<To>(from[i]); });
  } else {
    for (idx i = 0; i < count; ++i) to[i * to_stride] = converted<To>(from[i * from_stride]);
  }
}

}  // namespace coefdyn::cpu
