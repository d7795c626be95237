// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>

#include "../core/floating.hpp"

/// The secular function f(x) = 1 + sum_c p_c / (w_c - x), whose zeros are the eigenvalues of diag(w) + u v' with
/// p_c = u_c v_c, and its zeros in the intervals between poles where a change of sign is certain.
///
/// A zero is kept as (pole, offset), so that one that lies at 1e-30 of a pole is as exact as any other and no
/// denominator is ever zero. Several zeros are refined at once, one per lane; the namespace names the width, so
/// that translation units built with different flags can be linked together.
namespace coefdyn::spectrum::detail {

#if defined(__AVX__)
inline namespace four_lanes {
typedef double lanes __attribute__((vector_size(32)));  // `using` cannot spell a vector type on every compiler
typedef long long lane_bits __attribute__((vector_size(32)));
#else
inline namespace two_lanes {
typedef double lanes __attribute__((vector_size(16)));
typedef long long lane_bits __attribute__((vector_size(16)));
#endif
inline constexpr std::size_t lane_count = sizeof(lanes) / sizeof(double);
inline constexpr double unit_roundoff = std::numeric_limits<double>::epsilon();

/// Distinct poles in ascending order with nonzero weights; `total` = sum |weight|.
struct secular_poles {
  const double* place;
  const double* weight;
  std::size_t count;
  double total;
};

/// Zeros found so far: place[origin] + (re, im), and the error that rounding in f allows.
struct secular_roots {
  double* origin;
  double* re;
  double* im;
  double* error;
  std::size_t count;
};

struct secular_value {
  lanes f, slope, bend;  // f, f', f'' / 2
};

/// |x|; a macro-free sign-bit mask, since a select costs three instructions without AVX. Always inlined, so that no
/// vector crosses a call boundary.
[[gnu::always_inline]] inline lanes absolute(const lanes& x) {
  const lane_bits all_but_sign = lane_bits{} + std::numeric_limits<long long>::max();
  return reinterpret_cast<lanes>(reinterpret_cast<lane_bits>(x) & all_but_sign);
}

/// What a sum keeps its order by: the compiler does not see where x comes from, where it would reorder sums.
[[gnu::always_inline]] inline void made([[maybe_unused]] lanes& x) {
#if defined(COEFDYN_REORDERS_SUMS) && defined(__x86_64__)
  asm("" : "+x"(x));
#elif defined(COEFDYN_REORDERS_SUMS)
  asm("" : "+m"(x));
#endif
}

/// place - (origin + offset), without the digits that origin + offset would lose.
[[gnu::always_inline]] inline lanes gap_to(double place, const lanes& origin, const lanes& offset) {
  COEFDYN_SUMS_IN_ORDER
  lanes gap = place - origin;
  made(gap);
  return gap - offset;
}

inline void evaluate(const secular_poles& poles, const lanes& origin, const lanes& offset, secular_value& out) {
  struct sums {
    lanes f = {}, slope = {}, bend = {};
    void add(double weight, const lanes& inverse) {
      const lanes term = weight * inverse, term_slope = term * inverse;
      f += term;
      slope += term_slope;
      bend += term_slope * inverse;
    }
  } even, odd;  // two, so that an addition need not wait for the last one
  std::size_t c = 0;
  for (; c + 2 <= poles.count; c += 2) {  // one division for two poles
    const lanes a = gap_to(poles.place[c], origin, offset), b = gap_to(poles.place[c + 1], origin, offset);
    const lanes inverse = 1.0 / (a * b);
    even.add(poles.weight[c], b * inverse);
    odd.add(poles.weight[c + 1], a * inverse);
  }
  if (c < poles.count) even.add(poles.weight[c], 1.0 / gap_to(poles.place[c], origin, offset));
  out = {even.f + odd.f + 1.0, even.slope + odd.slope, even.bend + odd.bend};
}

/// How far rounding in f can move a zero: eps (1 + sum |p / (w - x)|) / |f'|.
inline void rounding_error(const secular_poles& poles, const lanes& origin, const lanes& offset, lanes& out) {
  lanes slope = {}, size = lanes{} + 1.0;
  for (std::size_t c = 0; c < poles.count; ++c) {
    const lanes inverse = 1.0 / gap_to(poles.place[c], origin, offset), term = poles.weight[c] * inverse;
    slope += term * inverse;
    size += absolute(term);
  }
  out = 4 * unit_roundoff * size / (absolute(slope) + 1e-300);
}

/// Interval j lies between poles j - 1 and j. True where f certainly changes sign there.
inline bool changes_sign(const secular_poles& poles, std::size_t j) {
  const double* p = poles.weight;
  if (j == 0) return p[0] < 0;
  if (j == poles.count) return p[j - 1] > 0;
  return (p[j - 1] < 0) == (p[j] < 0);
}

/// One zero per lane, between two neighbouring poles or beyond the outermost one. Offsets count from `origin`; sign * f
/// rises from lower to upper; a, b are |weight| of the pole on the left and right. Beyond the outermost pole the missing
/// one is far away and has weight 0.
struct bracketed_roots {
  lanes origin, offset, lower, upper, left, right, a, b, sign, done;

  void open(const secular_poles& poles, std::size_t j, std::size_t l) {
    const double reach = 1.01 * poles.total, far = 4 * reach;
    const bool first = j == 0, last = j == poles.count;
    const double width = first || last ? reach : poles.place[j] - poles.place[j - 1];
    origin[l] = poles.place[first ? 0 : j - 1];
    offset[l] = first ? -width / 2 : width / 2;
    lower[l] = first ? -width : 0;
    upper[l] = first ? 0 : width;
    left[l] = first ? -far : 0;
    right[l] = first ? 0 : last ? far : width;
    a[l] = first ? 0 : std::abs(poles.weight[j - 1]);
    b[l] = last ? 0 : std::abs(poles.weight[j]);
    sign[l] = poles.weight[first ? 0 : j - 1] < 0 ? -1 : 1;
    done[l] = 0;
  }

  /// Counts offsets from the right pole, which turned out to be the nearer one.
  void move_origin_right(double right_pole, std::size_t l) {
    const double width = right[l];
    origin[l] = right_pole;
    offset[l] -= width;
    lower[l] -= width;
    upper[l] = right[l] = 0;
    left[l] = -width;
  }
};

/// Steps to the zero of c + a/(left - x) + b/(right - x). In the first round a and b are the poles' own weights; later f,
/// f' and f'' fix all three, and very near to a pole f and f' fix c and that pole's. `enough` is the relative step after
/// which the next one would be below rounding.
/// source  Gragg's interpolation, R.-C. Li, LAPACK working note 89: cubic convergence, quadratic near to a pole
inline void rational_step(const bracketed_roots& r, const lanes& f, const lanes& slope, const lanes& bend, bool fit, lanes& out,
                          lanes& enough) {
  const lanes to_left = r.left - r.offset, to_right = r.right - r.offset;
  const lanes both = 1.0 / (to_left * to_right), per_left = to_right * both, per_right = to_left * both;
  lanes a = r.a, b = r.b;
  enough = lanes{} + unit_roundoff;
  if (fit) {
    const auto at_left = -to_left <= 1e-5 * to_right, at_right = to_right <= -1e-5 * to_left;
    const lanes fitted = (bend - slope * per_right) / (per_left - per_right);
    const lanes left_slope = at_left ? slope : at_right ? lanes{} : fitted;
    a = left_slope * to_left * to_left;
    b = (slope - left_slope) * to_right * to_right;
    enough = at_left | at_right ? lanes{} + 1e-9 : lanes{} + 3e-7;
  }
  const lanes c = f - a * per_left - b * per_right;
  const lanes middle = c * (to_left + to_right) + a + b, product = to_left * to_right * f;
  lanes root = middle * middle - 4.0 * c * product;
  for (std::size_t l = 0; l < lane_count; ++l) root[l] = root[l] > 0 ? std::sqrt(root[l]) : 0;
  out = (middle <= 0 ? middle - root : 2.0 * product) / (middle <= 0 ? 2.0 * c : middle + root);
}

/// Narrows the brackets with f at the present offsets and moves these; what is `done` stays.
inline void refine(const secular_poles& poles, bracketed_roots& r, const secular_value& v, int round) {
  const lanes f = v.f * r.sign;
  r.lower = f < 0 ? r.offset : r.lower;
  r.upper = f < 0 ? r.upper : r.offset;
  lanes step, enough;
  rational_step(r, f, v.slope * r.sign, v.bend * r.sign, round > 0, step, enough);
  if (round > 8 && round % 2 == 0) step += 1e300;  // slow: bisect
  lanes next = r.offset + step;
  const auto inside = (next > r.lower) & (next < r.upper);
  next = inside ? next : 0.5 * (r.lower + r.upper);
  // a step of 1e-12 that leaves the bracket says that its end is the root
  const lanes far = absolute(next - r.offset), place = absolute(next);
  const auto usable = (next > r.lower) & (next < r.upper);
  const auto settled = (inside & (far <= enough * place)) | (absolute(step) <= 1e-12 * place) | (far <= unit_roundoff * place) | ~usable |
                       (f == 0) | (r.upper - r.lower <= unit_roundoff * poles.total);
  const auto moves = (r.done == 0) & usable & (f != 0) & (inside | (absolute(step) > 1e-12 * place));
  r.offset = moves ? next : r.offset;
  r.done = settled ? lanes{} + 1.0 : r.done;
}

/// Solves intervals j[0..count) (count <= lane_count) together and appends the zeros. `errors` asks
/// for their errors. False if one is left after `limit` rounds.
inline bool solve_brackets(const secular_poles& poles, const std::size_t* j, std::size_t count, secular_roots& out, bool errors,
                           int limit = 150) {
  bracketed_roots r{};
  secular_value v{};
  for (std::size_t l = 0; l < lane_count; ++l) r.open(poles, j[l < count ? l : 0], l);
  evaluate(poles, r.origin, r.offset, v);
  for (std::size_t l = 0; l < lane_count; ++l) {
    const std::size_t i = j[l < count ? l : 0];
    if (i > 0 && i < poles.count && r.sign[l] * v.f[l] < 0) r.move_origin_right(poles.place[i], l);
  }
  bool open = true;
  for (int round = 0; open && round < limit; ++round) {
    if (round > 0) evaluate(poles, r.origin, r.offset, v);
    refine(poles, r, v, round);
    open = false;
    for (std::size_t l = 0; l < lane_count; ++l) open = open || r.done[l] == 0;
  }
  lanes error = {};
  if (errors) rounding_error(poles, r.origin, r.offset, error);
  for (std::size_t l = 0; l < count; ++l) {
    out.origin[out.count] = r.origin[l];
    out.re[out.count] = r.offset[l];
    out.im[out.count] = 0;
    out.error[out.count] = error[l];
    ++out.count;
  }
  return !open;
}

}  // inline namespace
}  // namespace coefdyn::spectrum::detail
