// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "solver.hpp"

namespace coefdyn::spectrum {

struct householder_product_report {
  how path = how::read_off;
  std::size_t rank = 0;  // of z_1 .. z_m; out[0 .. n - rank) is the gate itself
};

/// Room that householder_product_eigenvalues needs for m factors of dimension n.
constexpr std::size_t householder_product_work_size(std::size_t n, std::size_t m) {
  const std::size_t rank = std::min(n, m);
  return rank * n + rank + rank * rank;
}

namespace detail {

/// Coordinates of z in the orthonormal rows basis[0..rank): added to `coordinates`, removed from z. Two passes, since
/// one leaves eps / |rest| of the basis in the rest.
inline void remove_projection(const double* basis, std::size_t rank, std::size_t n, double* z, double* coordinates) {
  std::fill(coordinates, coordinates + rank, 0.0);
  for (int pass = 0; pass < 2; ++pass)
    for (std::size_t k = 0; k < rank; ++k) {
      double dot = 0;
      for (std::size_t i = 0; i < n; ++i) dot += basis[k * n + i] * z[i];
      for (std::size_t i = 0; i < n; ++i) z[i] -= dot * basis[k * n + i];
      coordinates[k] += dot;
    }
}

inline double length(const double* x, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return std::sqrt(sum);
}

/// Orthonormal rows that span z_1 .. z_m; returns how many.
inline std::size_t span_of(const double* z, std::size_t m, std::size_t n, double* basis, double* coordinates) {
  std::size_t rank = 0;
  for (std::size_t l = 0; l < m && rank < n; ++l) {
    double* next = basis + rank * n;
    std::copy(z + l * n, z + (l + 1) * n, next);
    const double before = length(next, n);
    remove_projection(basis, rank, n, next, coordinates);
    const double rest = length(next, n);
    if (rest <= 8 * std::numeric_limits<double>::epsilon() * before) continue;
    for (std::size_t i = 0; i < n; ++i) next[i] /= rest;
    ++rank;
  }
  return rank;
}

/// Both eigenvalues of [[a, b], [c, d]].
inline void two_by_two(double a, double b, double c, double d, std::complex<double>* out) {
  const double half = 0.5 * (a - d), product = b * c, square = half * half + product;
  if (square < 0) {
    out[0] = {d + half, std::sqrt(-square)};
    out[1] = std::conj(out[0]);
    return;
  }
  const double far = half + std::copysign(std::sqrt(square), half);
  out[0] = d + far;
  out[1] = far == 0 ? d : d - product / far;
}

inline void solve_small(const double* matrix, std::size_t k, std::complex<double>* out, dense_solver solver, how& path) {
  if (k == 1) out[0] = matrix[0];
  if (k == 2) two_by_two(matrix[0], matrix[1], matrix[2], matrix[3], out);
  if (k <= 2) return;
  path = solver == nullptr ? how::unsolved : how::dense;
  if (solver == nullptr) std::fill(out, out + k, std::numeric_limits<double>::quiet_NaN());
  else solver({matrix, k * k}, k, {out, k});
}

}  // namespace detail

/// Eigenvalues of gate * (I - beta_1 z_1 z_1') ... (I - beta_m z_m z_m'), in either order of the factors (the reverse is
/// the transpose): the gate itself on the complement of the z, and a problem of the rank of the z on their span.
///
/// shape   beta m; z m x n row-major; out n; work at least householder_product_work_size(n, m). m may exceed n.
///         Nothing is allocated for rank <= 2, the dense solver does for more
/// range   finite; beta and the length of z unrestricted
/// error   std::invalid_argument naming the entry that is not finite, or the wrong size
/// source  MATH.md section 5: the eigenvalue of the gate has multiplicity n - m at least
inline householder_product_report householder_product_eigenvalues(double gate, std::span<const double> beta, std::span<const double> z,
                                                                  std::size_t n, std::span<std::complex<double>> out,
                                                                  std::span<double> work, dense_solver solver) {
  constexpr auto name = "householder_product_eigenvalues";
  const std::size_t m = beta.size();
  detail::expect_size(name, "z", m * n, z.size());
  detail::expect_size(name, "out", n, out.size());
  detail::expect_room(name, "work", householder_product_work_size(n, m), work.size());
  detail::expect_finite(name, "gate", &gate, 1);
  detail::expect_finite(name, "beta", beta.data(), m);
  detail::expect_finite_rows(name, "z", z.data(), m, n);

  const std::size_t room = std::min(n, m);
  double *basis = work.data(), *row = basis + room * n, *matrix = row + room;
  householder_product_report report;
  report.rank = detail::span_of(z.data(), m, n, basis, row);
  const std::size_t k = report.rank;
  std::fill(matrix, matrix + k * k, 0.0);
  for (std::size_t i = 0; i < k; ++i) matrix[i * k + i] = 1;
  for (std::size_t l = 0; l < m; ++l) {  // matrix <- (I - beta r r') matrix, r the coordinates of z_l
    for (std::size_t i = 0; i < k; ++i) {
      row[i] = 0;
      for (std::size_t c = 0; c < n; ++c) row[i] += basis[i * n + c] * z[l * n + c];
    }
    for (std::size_t j = 0; j < k; ++j) {
      double dot = 0;
      for (std::size_t i = 0; i < k; ++i) dot += row[i] * matrix[i * k + j];
      for (std::size_t i = 0; i < k; ++i) matrix[i * k + j] -= beta[l] * dot * row[i];
    }
  }
  std::fill(out.begin(), out.end() - static_cast<std::ptrdiff_t>(k), gate);
  std::complex<double>* small = out.data() + (n - k);
  detail::solve_small(matrix, k, small, solver, report.path);
  for (std::size_t i = 0; i < k; ++i) small[i] *= gate;
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
    throw std::invalid_argument(
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
