// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "../core/math.hpp"
#include "solver.hpp"

namespace coefdyn::spectrum {

/// How the eigenvalues of a product of Householders were found.
struct householder_product_report {
  how path = how::read_off;
  std::size_t rank = 0;  // of z_1 .. z_m; out[0 .. n - rank) is the decay itself
};

/// Room that householder_product_eigenvalues needs for m factors of dimension n.
COEFDYN_HD constexpr std::size_t householder_product_work_size(std::size_t n, std::size_t m) {
  const std::size_t rank = n < m ? n : m;
  return rank * n + rank + rank * rank;
}

namespace detail {

/// Removes z's projection on the orthonormal rows basis[0..rank). Two passes, since one leaves eps / |rest| of the basis in
/// the rest.
COEFDYN_HD inline void remove_projection(const double* basis, std::size_t rank, std::size_t n, double* z) {
  for (int pass = 0; pass < 2; ++pass)
    for (std::size_t k = 0; k < rank; ++k) {
      double dot = 0;
      for (std::size_t i = 0; i < n; ++i) dot += basis[k * n + i] * z[i];
      for (std::size_t i = 0; i < n; ++i) z[i] -= dot * basis[k * n + i];
    }
}

COEFDYN_HD inline double length(const double* x, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return math::sqrt(sum);
}

/// Orthonormal rows that span z_1 .. z_m, whose entries are z(l, i); returns how many.
template <class Z>
COEFDYN_HD std::size_t span_of(const Z& z, std::size_t m, std::size_t n, double* basis) {
  constexpr double negligible = 8 * std::numeric_limits<double>::epsilon();
  std::size_t rank = 0;
  for (std::size_t l = 0; l < m && rank < n; ++l) {
    double* next = basis + rank * n;
    for (std::size_t i = 0; i < n; ++i) next[i] = z(l, i);
    const double before = length(next, n);
    remove_projection(basis, rank, n, next);
    const double rest = length(next, n);
    if (rest <= negligible * before) continue;
    for (std::size_t i = 0; i < n; ++i) next[i] /= rest;
    ++rank;
  }
  return rank;
}

/// A product of Householders on the span of its vectors, in an orthonormal basis of it.
struct span_product {
  std::size_t rank;
  const double* matrix;  // rank x rank
};

/// (I - beta_m z_m z_m') ... (I - beta_1 z_1 z_1') on its span, which holds all it does; m factors of dimension n with entries
/// beta(l) and z(l, i). `work`: householder_product_work_size(n, m), where the matrix stays.
template <class Beta, class Z>
COEFDYN_HD span_product product_on_span(std::size_t n, std::size_t m, const Beta& beta, const Z& z, double* work) {
  const std::size_t room = n < m ? n : m;
  double *basis = work, *row = basis + room * n, *matrix = row + room;
  const std::size_t k = span_of(z, m, n, basis);
  for (std::size_t i = 0; i < k * k; ++i) matrix[i] = i % (k + 1) == 0;
  for (std::size_t l = 0; l < m; ++l) {  // matrix <- (I - beta r r') matrix, r the coordinates of z_l
    for (std::size_t i = 0; i < k; ++i) {
      row[i] = 0;
      for (std::size_t c = 0; c < n; ++c) row[i] += basis[i * n + c] * z(l, c);
    }
    for (std::size_t j = 0; j < k; ++j) {
      double dot = 0;
      for (std::size_t i = 0; i < k; ++i) dot += row[i] * matrix[i * k + j];
      for (std::size_t i = 0; i < k; ++i) matrix[i * k + j] -= beta(l) * dot * row[i];
    }
  }
  return {k, matrix};
}

/// Both eigenvalues of [[a, b], [c, d]].
COEFDYN_HD inline void two_by_two(double a, double b, double c, double d, complex<double>* out) {
  const double half = 0.5 * (a - d), product = b * c, square = half * half + product;
  if (square < 0) {
    out[0] = {d + half, math::sqrt(-square)};
    out[1] = conj(out[0]);
    return;
  }
  const double far = half + ::copysign(math::sqrt(square), half);
  out[0] = d + far;
  out[1] = far == 0 ? d : d - product / far;
}

/// The eigenvalues of a k x k matrix with k <= 2.
COEFDYN_HD inline void solve_up_to_two(const double* matrix, std::size_t k, complex<double>* out) {
  if (k == 1) out[0] = matrix[0];
  if (k == 2) two_by_two(matrix[0], matrix[1], matrix[2], matrix[3], out);
}

inline void solve_small(const double* matrix, std::size_t k, std::complex<double>* out, dense_solver solver, how& path) {
  if (k <= 2) {
    complex<double> found[2];
    solve_up_to_two(matrix, k, found);
    for (std::size_t i = 0; i < k; ++i) out[i] = {found[i].re, found[i].im};
    return;
  }
  path = solver == nullptr ? how::unsolved : how::dense;
  if (solver == nullptr) std::fill(out, out + k, math::not_a_number<double>());
  else solver({matrix, k * k}, k, {out, k});
}

}  // namespace detail

/// Eigenvalues of decay * (I - beta_1 z_1 z_1') ... (I - beta_m z_m z_m'), in either order of the factors (the reverse is
/// the transpose): the decay itself on the complement of the z, and a problem of the rank of the z on their span.
///
/// shape   beta m; z m x n row-major; out n; work at least householder_product_work_size(n, m). m may exceed n.
///         Nothing is allocated for rank <= 2, the dense solver does for more
/// range   finite; beta and the length of z unrestricted
/// error   std::invalid_argument naming the entry that is not finite, or the wrong size
/// source  a product of m reflections moves m directions at most, so the eigenvalue of the decay has multiplicity n - m at least
inline householder_product_report householder_product_eigenvalues(double decay, std::span<const double> beta, std::span<const double> z,
                                                                  std::size_t n, std::span<std::complex<double>> out,
                                                                  std::span<double> work, dense_solver solver) {
  constexpr auto name = "householder_product_eigenvalues";
  const std::size_t m = beta.size();
  detail::expect_size(name, "z", m * n, z.size());
  detail::expect_size(name, "out", n, out.size());
  detail::expect_room(name, "work", householder_product_work_size(n, m), work.size());
  detail::expect_finite(name, "decay", &decay, 1);
  detail::expect_finite(name, "beta", beta.data(), m);
  detail::expect_finite_rows(name, "z", z.data(), m, n);

  const auto product = detail::product_on_span(
      n, m, [&](std::size_t l) { return beta[l]; }, [&](std::size_t l, std::size_t i) { return z[l * n + i]; }, work.data());
  const std::size_t k = product.rank;
  householder_product_report report;
  report.rank = k;
  std::fill(out.begin(), out.end() - static_cast<std::ptrdiff_t>(k), decay);
  std::complex<double>* small = out.data() + (n - k);
  detail::solve_small(product.matrix, k, small, solver, report.path);
  for (std::size_t i = 0; i < k; ++i) small[i] *= decay;
  return report;
}

/// Eigenvalues of (I - beta_m z_m z_m') ... (I - beta_1 z_1 z_1') diag(decay) with m > 1: no structure is left to use, so
/// the matrix is formed and solved densely. For m = 1 take rank_one_eigenvalues with p_c = -beta decay_c z_c^2.
///
/// shape   decay, out n; beta m; z m x n row-major; allocates n x n
/// error   as householder_product_eigenvalues; `solver` must not be null
inline void gated_product_eigenvalues(std::span<const double> decay, std::span<const double> beta, std::span<const double> z,
                                      std::span<std::complex<double>> out, dense_solver solver) {
  constexpr auto name = "gated_product_eigenvalues";
  const std::size_t n = decay.size(), m = beta.size();
  detail::expect_size(name, "z", m * n, z.size());
  detail::expect_size(name, "out", n, out.size());
  detail::expect_finite(name, "decay", decay.data(), n);
  detail::expect_finite(name, "beta", beta.data(), m);
  detail::expect_finite_rows(name, "z", z.data(), m, n);
  if (solver == nullptr)
    COEFDYN_THROW std::invalid_argument(
        "gated_product_eigenvalues: solver should be a dense solver such as "
        "dense_eigenvalues, but is null.");
  std::vector<double> matrix(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) matrix[i * n + i] = decay[i];
  for (std::size_t l = 0; l < m; ++l)
    for (std::size_t j = 0; j < n; ++j) {
      double dot = 0;
      for (std::size_t i = 0; i < n; ++i) dot += z[l * n + i] * matrix[i * n + j];
      for (std::size_t i = 0; i < n; ++i) matrix[i * n + j] -= beta[l] * dot * z[l * n + i];
    }
  if (n > 0) solver(matrix, n, out);
}

}  // namespace coefdyn::spectrum
