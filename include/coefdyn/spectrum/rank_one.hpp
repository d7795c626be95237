// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "aberth.hpp"
#include "secular.hpp"
#include "solver.hpp"

namespace coefdyn::spectrum {

/// How the eigenvalues of a diagonal plus a rank-one matrix were found.
struct rank_one_report {
  how path = how::read_off;
  std::size_t deflated = 0;  // eigenvalues read off from p_c = 0 and from equal w_c
  int sweeps = 0;            // of the simultaneous iteration
};

/// Counts the paths taken over many matrices.
struct rank_one_tally {
  std::array<std::size_t, 5> of{};
  void add(const rank_one_report& report) { ++of[static_cast<std::size_t>(report.path)]; }
  std::size_t operator[](how path) const { return of[static_cast<std::size_t>(path)]; }
};

/// Numbers of scratch memory for n channels.
constexpr std::size_t rank_one_work_size(std::size_t n) { return 6 * n; }

namespace detail {

/// Sorts (place, weight) by place.
inline void sort_poles(double* place, double* weight, std::size_t n) {
  for (std::size_t i = 1; i < n; ++i) {
    const double x = place[i], p = weight[i];
    std::size_t j = i;
    for (; j > 0 && place[j - 1] > x; --j) {
      place[j] = place[j - 1];
      weight[j] = weight[j - 1];
    }
    place[j] = x;
    weight[j] = p;
  }
}

/// Merges poles that agree to `tolerance` and drops those whose weight moves nothing by more than that; what is read
/// off goes to `out`. Returns the poles left.
inline std::size_t deflate(double* place, double* weight, std::size_t n, double tolerance, double total, std::complex<double>* out) {
  std::size_t kept = 0, read_off = 0;
  for (std::size_t i = 0; i < n;) {
    double sum = weight[i];
    std::size_t j = i + 1;
    for (; j < n && place[j] - place[i] <= tolerance; ++j) {
      sum += weight[j];
      out[read_off++] = place[j];
    }
    if (std::abs(sum) * total <= tolerance * tolerance) {
      out[read_off++] = place[i];
    } else {
      place[kept] = place[i];
      weight[kept++] = sum;
    }
    i = j;
  }
  return kept;
}

/// Makes the roots from `first` on real or exactly conjugate. False if one has no partner within their errors.
inline bool pair_conjugates(const secular_poles& poles, secular_roots& roots, std::size_t first, double norm) {
  COEFDYN_SUMS_IN_ORDER
  const double floor = 16 * unit_roundoff * norm;
  for (std::size_t i = first; i < roots.count; ++i)
    if (std::abs(roots.im[i]) <= 4 * roots.error[i] + floor * unit_roundoff) roots.im[i] = 0;
  for (std::size_t i = first; i < roots.count; ++i) {
    if (roots.im[i] == 0) continue;
    std::size_t partner = roots.count;
    double best = std::numeric_limits<double>::max();
    for (std::size_t j = i + 1; j < roots.count; ++j) {
      if (roots.im[j] * roots.im[i] > 0) continue;
      const double re = math::in_order(roots.origin[i] - roots.origin[j]) + math::in_order(roots.re[i] - roots.re[j]);
      const double distance = std::hypot(re, roots.im[i] + roots.im[j]);
      if (distance < best) best = distance, partner = j;
    }
    if (partner == roots.count || !(best <= 64 * (roots.error[i] + roots.error[partner]) + floor)) return false;
    const std::size_t next = i + 1;
    std::swap(roots.origin[next], roots.origin[partner]);
    std::swap(roots.re[next], roots.re[partner]);
    std::swap(roots.im[next], roots.im[partner]);
    std::swap(roots.error[next], roots.error[partner]);
    roots.re[i] += 0.5 * (math::in_order(roots.origin[next] - roots.origin[i]) + (roots.re[next] - roots.re[i]));
    roots.im[i] = 0.5 * (roots.im[i] - roots.im[next]);
    roots.origin[next] = roots.origin[i];
    roots.re[next] = roots.re[i];
    roots.im[next] = -roots.im[i];
    ++i;
  }
  double trace = 0, allowed = floor * static_cast<double>(poles.count);
  for (std::size_t c = 0; c < poles.count; ++c) {
    trace += poles.weight[c] + math::in_order(poles.place[c] - roots.origin[c]) - roots.re[c];
    allowed += 16 * roots.error[c];
  }
  return std::abs(trace) <= allowed;
}

/// Every root of the deflated problem, or false.
inline bool solve_secular(const secular_poles& poles, secular_roots& roots, double norm, int sweep_limit, rank_one_report& report) {
  std::size_t waiting[lane_count], count = 0, certain = 0;
  for (std::size_t j = 0; j <= poles.count; ++j) certain += changes_sign(poles, j);
  const bool all = certain == poles.count;
  bool solved = true;
  for (std::size_t j = 0; j <= poles.count; ++j) {
    if (changes_sign(poles, j)) waiting[count++] = j;
    if (count == lane_count || (count > 0 && j == poles.count)) {
      solved = solve_brackets(poles, waiting, count, roots, !all) && solved;
      count = 0;
    }
  }
  report.path = how::bracketed;
  if (all) return solved;
  const std::size_t first = roots.count;
  report.path = how::simultaneous;
  report.sweeps = aberth(poles, roots, sweep_limit);
  return solved && report.sweeps > 0 && pair_conjugates(poles, roots, first, norm);
}

/// The balanced matrix diag(place) + u v' with |u_c| = |v_c|, handed to the dense solver.
inline void solve_dense(const secular_poles& poles, std::complex<double>* out, dense_solver fallback, rank_one_report& report) {
  const std::size_t k = poles.count;
  report.path = fallback == nullptr ? how::unsolved : how::dense;
  if (fallback == nullptr) {
    std::fill(out, out + k, math::not_a_number<double>());
    return;
  }
  std::vector<double> matrix(k * k);
  for (std::size_t i = 0; i < k; ++i)
    for (std::size_t j = 0; j < k; ++j)
      matrix[i * k + j] = std::sqrt(std::abs(poles.weight[i])) * std::copysign(std::sqrt(std::abs(poles.weight[j])), poles.weight[j]) +
                          (i == j ? poles.place[i] : 0);
  fallback(matrix, k, {out, k});
}

/// By real part; of conjugates the one with positive imaginary part first.
inline void sort_eigenvalues(std::span<std::complex<double>> of) {
  std::sort(of.begin(), of.end(), [](std::complex<double> a, std::complex<double> b) {
    return a.real() != b.real() ? a.real() < b.real() : a.imag() > b.imag();
  });
}

template <class R>
rank_one_report rank_one(std::span<const R> w, std::span<const R> p, std::span<std::complex<double>> out, std::span<double> work,
                         dense_solver fallback, int sweep_limit) {
  constexpr auto name = "rank_one_eigenvalues";
  const std::size_t n = w.size();
  expect_size(name, "p", n, p.size());
  expect_size(name, "out", n, out.size());
  expect_room(name, "work", rank_one_work_size(n), work.size());
  expect_finite(name, "w", w.data(), n);
  expect_finite(name, "p", p.data(), n);
  rank_one_report report;
  if (n == 0) return report;

  double largest = 0, total = 0, widest = 0;
  for (std::size_t c = 0; c < n; ++c) largest = std::max({largest, std::abs(double(w[c])), std::abs(double(p[c]))});
  const int exponent = largest == 0 ? 0 : std::clamp(std::ilogb(largest), -1000, 1000);
  const double down = std::ldexp(1.0, -exponent), up = std::ldexp(1.0, exponent);
  double *place = work.data(), *weight = place + n;
  for (std::size_t c = 0; c < n; ++c) {
    place[c] = double(w[c]) * down;
    weight[c] = double(p[c]) * down;
    total += std::abs(weight[c]);
    widest = std::max(widest, std::abs(place[c]));
  }
  sort_poles(place, weight, n);
  const double norm = widest + total;
  const std::size_t k = deflate(place, weight, n, 4 * unit_roundoff * norm, total, out.data());
  report.deflated = n - k;
  if (k == 1) {
    out[n - 1] = place[0] + weight[0];
  } else if (k > 1) {
    const secular_poles poles{place, weight, k, total};
    secular_roots roots{weight + n, weight + 2 * n, weight + 3 * n, weight + 4 * n, 0};
    std::complex<double>* rest = out.data() + report.deflated;
    if (solve_secular(poles, roots, norm, sweep_limit, report))
      for (std::size_t i = 0; i < k; ++i) rest[i] = {roots.origin[i] + roots.re[i], roots.im[i]};
    else solve_dense(poles, rest, fallback, report);
  }
  for (auto& x : out) x *= up;
  if (report.path == how::unsolved) return report;  // NaN has no order
  sort_eigenvalues(out);
  return report;
}

}  // namespace detail

/// Eigenvalues of diag(w) + u v' in O(n^2), from w and p_c = u_c v_c alone.
///
/// shape   w, p, out: n; work: at least rank_one_work_size(n), a std::array will do; nothing is allocated unless the
///         dense solver is called
/// range   finite w and p of any size and sign, repeated, clustered and zero ones too
/// error   std::invalid_argument naming the entry for NaN or infinity, or a wrong size. If the simultaneous iteration
///         does not settle within its bound, `fallback` solves and the report says so; if that is null, NaN comes out
/// order   ascending real part; conjugates are exact
/// source  Golub, SIAM Review 15 (1973), for the secular function
inline rank_one_report rank_one_eigenvalues(std::span<const double> w, std::span<const double> p, std::span<std::complex<double>> out,
                                            std::span<double> work, dense_solver fallback, int sweep_limit = 80) {
  return detail::rank_one<double>(w, p, out, work, fallback, sweep_limit);
}
/// The same of float numbers; the arithmetic is in double.
inline rank_one_report rank_one_eigenvalues(std::span<const float> w, std::span<const float> p, std::span<std::complex<double>> out,
                                            std::span<double> work, dense_solver fallback, int sweep_limit = 80) {
  return detail::rank_one<float>(w, p, out, work, fallback, sweep_limit);
}

}  // namespace coefdyn::spectrum
