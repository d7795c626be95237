// SPDX-License-Identifier: MIT
#pragma once

#include <coefdyn/core/math.hpp>
#include <coefdyn/cpu/products/simd.hpp>
#include <limits>

#if defined(__GNUC__)

namespace coefdyn::cpu::detail {

/// e^x per lane: x = n ln 2 + r, a polynomial in r, and 2^n as two factors, so that a result below the normal range is
/// rounded once.
template <class R, int Bytes>
struct vector_exp {
  using P = pack<R, Bytes>;
  using V = typename P::type;
  static constexpr bool is_single = sizeof(R) == 4;
  using single = math::detail::float_exp;
  static constexpr int together = Bytes == 64 ? 4 : 2;  // as many as the registers hold
  static constexpr int fraction = is_single ? 23 : 52;
  static constexpr R big = static_cast<R>(is_single ? single::big : 6755399441055744.0);  // 1.5 2^fraction
  static constexpr R lowest = static_cast<R>(is_single ? -105 : -747), highest = static_cast<R>(is_single ? 90 : 711);
  static constexpr R log2_e = static_cast<R>(1.442695040888963407359924681);
  static constexpr R ln2_high = static_cast<R>(is_single ? single::ln2_high : 0.693147180559662956511601805686950684);
  static constexpr R ln2_low = static_cast<R>(is_single ? single::ln2_low : 2.8235290563031577122588448175e-13);

  /// v := e^v for `together` vectors, step by step, because a single one leaves the multipliers waiting.
  [[gnu::always_inline]] static inline void at(V* v) { at(v, std::make_integer_sequence<int, together>{}); }
  template <int... J>
  [[gnu::always_inline]] static inline void at(V* x, std::integer_sequence<int, J...>) {
    COEFDYN_SUMS_IN_ORDER
#if defined(COEFDYN_DENIES_NAN)
    const V given[] = {x[J]...};
#endif
    V n[sizeof...(J)], first[sizeof...(J)], second[sizeof...(J)];
    ((x[J] = x[J] < lowest ? V{} + lowest : x[J]), ...);
    ((x[J] = x[J] > highest ? V{} + highest : x[J]), ...);
    ((n[J] = x[J] * log2_e + big), ...);
    (P::opaque(n[J]), ...);
    ((n[J] = n[J] - big), ...);
    ((x[J] = x[J] - n[J] * ln2_high), ...);
    (P::opaque(x[J]), ...);
    ((x[J] = x[J] - n[J] * ln2_low), ...);
    ((first[J] = n[J] * R(0.5) + big), ...);
    (P::opaque(first[J]), ...);
    ((second[J] = first[J] - big), ...);
    (P::in_order(second[J]), ...);
    ((second[J] = n[J] - second[J] + big), ...);
    (P::opaque(second[J]), ...);
    polynomial<J...>(n, x);
    (power(first[J]), ...);
    (power(second[J]), ...);
    ((n[J] = n[J] * first[J]), ...);
    (P::opaque(n[J]), ...);
    ((x[J] = n[J] * second[J]), ...);
#if defined(COEFDYN_DENIES_NAN)
    (keep_nan(x[J], given[J]), ...);
#endif
  }

 private:
  /// y := e^x for |x| <= ln 2 / 2, by SLEEF's minimax coefficients.
  template <int... J>
  [[gnu::always_inline]] static inline void polynomial(V* y, const V* x) {
    COEFDYN_SUMS_IN_ORDER
    if constexpr (is_single) {
      ((y[J] = V{} + single::c[0]), ...);
      (horner<J...>(y, x, single::c[1]), horner<J...>(y, x, single::c[2]));
      (horner<J...>(y, x, single::c[3]), horner<J...>(y, x, single::c[4]));
    } else {
      ((y[J] = V{} + 2.08860621107283687536341e-09), ...);
      (horner<J...>(y, x, 2.51112930892876518610661e-08), horner<J...>(y, x, 2.75573911234900471893338e-07));
      (horner<J...>(y, x, 2.75572362911928827629423e-06), horner<J...>(y, x, 2.4801587159235272998791e-05));
      (horner<J...>(y, x, 0.000198412698960509205564975), horner<J...>(y, x, 0.00138888888889774492207962));
      (horner<J...>(y, x, 0.00833333333331652721664984), horner<J...>(y, x, 0.0416666666666665047591422));
      horner<J...>(y, x, 0.166666666666666851703837);
    }
    horner<J...>(y, x, R(0.5));
    ((y[J] = x[J] * x[J] * y[J] + x[J] + R(1)), ...);
  }
  template <int... J>
  [[gnu::always_inline]] static inline void horner(V* y, const V* x, R coefficient) {
    ((y[J] = y[J] * x[J] + coefficient), ...);
  }

#if defined(COEFDYN_DENIES_NAN)
  /// y := x where that is NaN, which the compiler may have brought into range.
  [[gnu::always_inline]] static inline void keep_nan(V& y, const V& x) {
    using B = typename P::lane_bits;
    typename P::bits size;
    __builtin_memcpy(&size, &x, Bytes);
    size &= std::numeric_limits<B>::max();
    y = size > static_cast<B>(math::detail::infinity_bits<R>) ? x : y;
  }
#endif
  /// v := 2^n, from v = n + big, whose lowest bits hold n.
  [[gnu::always_inline]] static inline void power(V& v) {
    const V one = V{} + R(1);
    typename P::bits n, bias;
    __builtin_memcpy(&n, &v, Bytes);
    __builtin_memcpy(&bias, &one, Bytes);
    n = (n << fraction) + bias;
    __builtin_memcpy(&v, &n, Bytes);
  }
};

template <class T>
struct exp_row {
  using R = typename T::real;
  using P = pack<R, T::bytes>;
  using V = typename P::type;

  [[gnu::always_inline]] static inline void run(idx count, const R* x, R* y) {
    constexpr int step = vector_exp<R, T::bytes>::together * P::width;
    idx i = 0;
    if (count == 1) {  // the gate of one token: no lanes to fill through memory
      V v[1] = {V{} + x[0]};
      vector_exp<R, T::bytes>::at(v, std::make_integer_sequence<int, 1>{});
      y[0] = v[0][0];
      return;
    }
    for (; i + P::width < count; i += step)
      several(count - i < step ? static_cast<int>(count - i) : step, x + i, y + i, std::make_integer_sequence<int, step / P::width>{});
    if (i < count) several(static_cast<int>(count - i), x + i, y + i, std::make_integer_sequence<int, 1>{});
  }

 private:
  template <int... J>
  [[gnu::always_inline]] static inline void several(int count, const R* x, R* y, std::integer_sequence<int, J...>) {
    V v[sizeof...(J)];
    (P::load(v[J], x + J * P::width, count - J * P::width), ...);
    vector_exp<R, T::bytes>::at(v, std::integer_sequence<int, J...>{});
    (P::store(v[J], y + J * P::width, count - J * P::width), ...);
  }
};

}  // namespace coefdyn::cpu::detail

#endif  // __GNUC__
