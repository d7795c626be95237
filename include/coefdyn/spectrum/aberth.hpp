// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>

#include "secular.hpp"

/// The zeros of the secular function that no change of sign locates, real or complex: a simultaneous iteration that is
/// repelled by every zero already known, so that each is found once.
///
/// source  O. Aberth, Math. Comp. 27 (1973), L. W. Ehrlich, Comm. ACM 10 (1967), on f(x) prod (w_c - x)
namespace coefdyn::spectrum::detail {
#if defined(__AVX__)
inline namespace four_lanes {
#else
inline namespace two_lanes {
#endif

struct complex_lanes {
  lanes re, im;
};

/// f, f', sum 1 / (w - x) and the size of f's terms at place[origin] + (re, im).
struct complex_secular_value {
  complex_lanes f, slope, poles;
  lanes size;
};

inline void evaluate(const secular_poles& poles, const lanes& origin, const complex_lanes& offset, complex_secular_value& out) {
  complex_lanes f = {}, slope = {}, sum = {};
  lanes size = {};
  const lanes squared_im = offset.im * offset.im;
  const auto add = [&](double weight, const lanes& gap, const lanes& scale) {
    const lanes re = gap * scale, im = offset.im * scale;
    const lanes term_re = weight * re, term_im = weight * im;
    f.re += term_re;
    f.im += term_im;
    slope.re += term_re * re - term_im * im;
    slope.im += term_re * im;
    sum.re += re;
    sum.im += im;
    size += absolute(term_re) + absolute(term_im);
  };
  std::size_t c = 0;
  for (; c + 2 <= poles.count; c += 2) {  // one division for two poles
    const lanes a = gap_to(poles.place[c], origin, offset.re), b = gap_to(poles.place[c + 1], origin, offset.re);
    const lanes square_a = a * a + squared_im, square_b = b * b + squared_im;
    const lanes inverse = 1.0 / (square_a * square_b);
    add(poles.weight[c], a, square_b * inverse);
    add(poles.weight[c + 1], b, square_a * inverse);
  }
  if (c < poles.count) {
    const lanes gap = gap_to(poles.place[c], origin, offset.re);
    add(poles.weight[c], gap, 1.0 / (gap * gap + squared_im));
  }
  out = {{f.re + 1.0, f.im}, {slope.re, 2.0 * slope.im}, sum, size + 1.0};
}

/// sum 1 / (x - x_j) over the other zeros x_j.
inline void repulsion(const secular_roots& roots, const lanes& origin, const complex_lanes& offset, complex_lanes& out) {
  complex_lanes sum = {};
  const auto gap_from = [&](std::size_t j, lanes& re, lanes& im, lanes& square) {
    COEFDYN_SUMS_IN_ORDER
    lanes whole = origin - roots.origin[j], rest = offset.re - roots.re[j];
    made(whole), made(rest);
    re = whole + rest;
    im = offset.im - roots.im[j];
    square = re * re + im * im;
    square = square > 0 ? square : lanes{} + 1.0;  // the root itself: re = im = 0 adds nothing
  };
  const auto add = [&](const lanes& re, const lanes& im, const lanes& scale) {
    sum.re += re * scale;
    sum.im -= im * scale;
  };
  std::size_t j = 0;
  for (; j + 2 <= roots.count; j += 2) {
    lanes re_a, im_a, square_a, re_b, im_b, square_b;
    gap_from(j, re_a, im_a, square_a);
    gap_from(j + 1, re_b, im_b, square_b);
    const lanes inverse = 1.0 / (square_a * square_b);
    add(re_a, im_a, square_b * inverse);
    add(re_b, im_b, square_a * inverse);
  }
  if (j < roots.count) {
    lanes re, im, square;
    gap_from(j, re, im, square);
    add(re, im, 1.0 / square);
  }
  out = sum;
}

/// Counts root i's offset from the nearest pole.
inline void nearest_origin(const secular_poles& poles, secular_roots& roots, std::size_t i) {
  COEFDYN_SUMS_IN_ORDER
  const double x = roots.origin[i] + roots.re[i];
  const double* after = std::lower_bound(poles.place, poles.place + poles.count, x);
  if (after == poles.place + poles.count || (after != poles.place && x - after[-1] < *after - x)) --after;
  if (*after == roots.origin[i]) return;
  roots.re[i] += math::in_order(roots.origin[i] - *after);
  roots.origin[i] = *after;
  if (roots.re[i] == 0 && roots.im[i] == 0) roots.im[i] = 1e-3 * unit_roundoff * poles.total;
}

/// Puts a start above or below the middle of every interval without a certain change of sign, in turn, as far as
/// zeros are missing; one that is left over starts where the trace wants it. An open root has error -1.
inline void place_starts(const secular_poles& poles, secular_roots& roots) {
  double side = 1.1, missing_trace = 0;
  const auto add = [&](double origin, double re, double im) {
    roots.origin[roots.count] = origin;
    roots.re[roots.count] = re;
    roots.im[roots.count] = im;
    roots.error[roots.count++] = -1;
  };
  for (std::size_t j = 1; j < poles.count && roots.count < poles.count; ++j) {
    if (changes_sign(poles, j)) continue;
    const double half = 0.5 * (poles.place[j] - poles.place[j - 1]);
    add(poles.place[j - 1], half, side * half);
    side = -side;
  }
  if (roots.count == poles.count) return;
  for (std::size_t c = 0; c < poles.count; ++c) missing_trace += poles.place[c] + poles.weight[c];
  for (std::size_t i = 0; i < roots.count; ++i) missing_trace -= roots.origin[i] + roots.re[i];
  const double last = poles.place[poles.count - 1];
  while (roots.count < poles.count) add(last, missing_trace - last, 0.05 * poles.total);
}

/// Moves root i by one step, given f and the repulsion at its place; closes it if it is at a zero.
inline void move_root(secular_roots& roots, std::size_t i, std::complex<double> f, std::complex<double> slope, std::complex<double> sum,
                      double size) {
  const double re = slope.real() - f.real() * sum.real() + f.imag() * sum.imag();
  const double im = slope.imag() - f.real() * sum.imag() - f.imag() * sum.real();
  const double square = re * re + im * im;
  const double step_re = (f.real() * re + f.imag() * im) / square, step_im = (f.imag() * re - f.real() * im) / square;
  const double allowed = 4 * unit_roundoff * size;
  bool settled = std::abs(f.real()) + std::abs(f.imag()) <= allowed;
  if (!settled && math::is_finite(step_re) && math::is_finite(step_im)) {
    roots.re[i] -= step_re;
    roots.im[i] -= step_im;
    settled = std::abs(step_re) + std::abs(step_im) <= unit_roundoff * (std::abs(roots.re[i]) + std::abs(roots.im[i]));
  }
  if (settled) roots.error[i] = allowed / std::fmax(std::abs(slope.real()) + std::abs(slope.imag()), 1e-300);
}

/// Moves the first `count` of the roots `which` together.
inline void aberth_step(const secular_poles& poles, secular_roots& roots, const std::size_t* which, std::size_t count) {
  lanes origin = {};
  complex_lanes offset = {}, others;
  complex_secular_value v;
  for (std::size_t l = 0; l < lane_count; ++l) {
    const std::size_t i = which[l < count ? l : 0];
    if (l < count) nearest_origin(poles, roots, i);
    origin[l] = roots.origin[i];
    offset.re[l] = roots.re[i];
    offset.im[l] = roots.im[i];
  }
  evaluate(poles, origin, offset, v);
  repulsion(roots, origin, offset, others);
  for (std::size_t l = 0; l < count; ++l)
    move_root(roots, which[l], {v.f.re[l], v.f.im[l]}, {v.slope.re[l], v.slope.im[l]},
              {v.poles.re[l] + others.re[l], v.poles.im[l] + others.im[l]}, v.size[l]);
}

/// Places the missing roots and iterates until all are closed. Returns the sweeps used, or -1 if `limit` did not do.
inline int aberth(const secular_poles& poles, secular_roots& roots, int limit) {
  const std::size_t first = roots.count;
  place_starts(poles, roots);
  for (int sweep = 1; sweep <= limit; ++sweep) {
    std::size_t which[lane_count], waiting = 0, open = 0;
    for (std::size_t i = first; i < roots.count; ++i) {
      if (roots.error[i] < 0) which[waiting++] = i;
      if (waiting == lane_count || (waiting > 0 && i + 1 == roots.count)) {
        aberth_step(poles, roots, which, waiting);
        for (std::size_t l = 0; l < waiting; ++l) open += roots.error[which[l]] < 0;
        waiting = 0;
      }
    }
    if (open == 0) return sweep;
  }
  return -1;
}

}  // inline namespace
}  // namespace coefdyn::spectrum::detail
