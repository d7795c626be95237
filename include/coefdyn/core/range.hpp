// SPDX-License-Identifier: MIT
#pragma once
#include "math.hpp"

/// Products that leave the range of their type only where the result does.
namespace coefdyn::math {

/// a b e^x: 0 where a or b is, though e^x alone may be infinite; an infinite number only where the product is one.
///
/// shape   scalars to scalar, of dual numbers too
/// range   any; rounded once a factor
/// error   none: NaN in gives NaN out
template <class R>
COEFDYN_HD R times_exp(R a, R b, R x) {
  COEFDYN_SUMS_IN_ORDER
  constexpr R deep = static_cast<R>(deepest_exponent<R>);
  const auto smaller = [&]() -> R& { return abs(a) < abs(b) ? a : b; };
  const auto larger = [&]() -> R& { return abs(a) < abs(b) ? b : a; };
  for (int i = 0; i < 3 && x > deep; ++i) smaller() = smaller() * exp(deep), x = x - deep;  // three such steps end any product
  for (int i = 0; i < 3 && x < -deep; ++i) larger() = larger() * exp(-deep), x = x + deep;
  const R e = exp(max(min(x, deep), -deep)), low = smaller(), high = larger();
  if (e > abs(high)) return in_order(e * low) * high;  // the largest with the smallest first
  if (e < abs(low)) return in_order(e * high) * low;
  return in_order(low * high) * e;
}
/// The same of dual numbers: every term of the slope keeps its range.
template <class R>
COEFDYN_HD dual<R> times_exp(dual<R> a, dual<R> b, dual<R> x) {
  const R value = times_exp(a.v, b.v, x.v);
  return {value, times_exp(a.d, b.v, x.v) + times_exp(a.v, b.d, x.v) + along(value, x.d)};
}
/// a e^x, the same.
template <class R>
COEFDYN_HD R times_exp(R a, R x) {
  return times_exp(a, R(1), x);
}

}  // namespace coefdyn::math
