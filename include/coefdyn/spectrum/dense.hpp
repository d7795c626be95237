// SPDX-License-Identifier: MIT
#pragma once

#include <complex>
#include <cstddef>
#include <span>

/// Eigenvalues of dense matrices with their condition numbers. COEFDYN_DENSE says where the solvers are, which take seconds to compile.
/// 1, as CMake's coefdyn::spectrum and pkg-config's coefdyn-spectrum define it: in the library that is linked, compiled once from
/// dense/dense.cpp; then no header of this folder includes Eigen. Else: here, from Eigen's headers.
#if !defined(COEFDYN_DENSE) || !COEFDYN_DENSE
#include "dense/eigenvalues.hpp"
#endif

namespace coefdyn::spectrum {

#if defined(COEFDYN_DENSE) && COEFDYN_DENSE
namespace detail {
void solve_dense(std::span<const double> matrix, std::size_t n, std::span<std::complex<double>> out, std::span<double> condition,
                 double* error);
void solve_dense(std::span<const std::complex<double>> matrix, std::size_t n, std::span<std::complex<double>> out,
                 std::span<double> condition, double* error);
}  // namespace detail
#else
namespace detail {
inline void solve_dense(std::span<const double> matrix, std::size_t n, std::span<std::complex<double>> out, std::span<double> condition,
                        double* error) {
  solve_by_eigen(matrix, n, out, condition, error);
}
inline void solve_dense(std::span<const std::complex<double>> matrix, std::size_t n, std::span<std::complex<double>> out,
                        std::span<double> condition, double* error) {
  solve_by_eigen(matrix, n, out, condition, error);
}
}  // namespace detail
#endif

/// Eigenvalues of a real matrix, and where `condition` is not empty the condition number of each, after balancing: an entrywise relative
/// error of 1e-16 moves eigenvalue i by at most about 1e-16 condition[i] |matrix|. Badly scaled matrices are brought to scale first, so
/// that their eigenvalues are those of the matrix in scale, as accurate. `error`, where it and `condition` are given, becomes about what
/// rounding of the entries to double can have moved the worst eigenvalue by.
///
/// shape   matrix n x n row-major; out n; condition n or empty
/// range   finite; condition >= 1, infinite where it overflows
/// error   std::invalid_argument naming the entry that is not finite, or the wrong size; std::runtime_error if the QR
///         iteration does not end within 40 n steps
/// order   that of the Schur form; conjugates are exact and adjacent, the one with positive imaginary part first
/// source  Golub and Van Loan, Matrix Computations, 7.2.2: condition = 1 / |y^H x| of unit left and right eigenvectors
inline void dense_eigenvalues(std::span<const double> matrix, std::size_t n, std::span<std::complex<double>> out,
                              std::span<double> condition, double* error) {
  detail::solve_dense(matrix, n, out, condition, error);
}
/// The same for a complex matrix.
inline void dense_eigenvalues(std::span<const std::complex<double>> matrix, std::size_t n, std::span<std::complex<double>> out,
                              std::span<double> condition, double* error) {
  detail::solve_dense(matrix, n, out, condition, error);
}
/// Both without the error, in the form that s4_eigenvalues calls on.
inline void dense_eigenvalues(std::span<const double> matrix, std::size_t n, std::span<std::complex<double>> out,
                              std::span<double> condition) {
  detail::solve_dense(matrix, n, out, condition, nullptr);
}
/// The same of a complex matrix.
inline void dense_eigenvalues(std::span<const std::complex<double>> matrix, std::size_t n, std::span<std::complex<double>> out,
                              std::span<double> condition) {
  detail::solve_dense(matrix, n, out, condition, nullptr);
}
/// The real solver without condition numbers, in the form that rank_one_eigenvalues and the products call on.
inline void dense_eigenvalues(std::span<const double> matrix, std::size_t n, std::span<std::complex<double>> out) {
  detail::solve_dense(matrix, n, out, {}, nullptr);
}

}  // namespace coefdyn::spectrum
