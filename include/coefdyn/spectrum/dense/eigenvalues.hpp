// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Eigenvalues>
#include <cmath>
#include <complex>
#include <cstddef>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>

#include "../solver.hpp"
#include "balance.hpp"

/// What `dense_eigenvalues` does, by Eigen, whose solvers take seconds to compile: only dense.cpp includes this, or, in a build without
/// that library, ../dense.hpp. Both solvers go through computeFromHessenberg, since `compute` would instantiate the orthogonal factor and
/// its products as well.
namespace coefdyn::spectrum {

namespace detail {

inline void expect_square(const char* function, std::size_t entries, std::size_t n, std::size_t out, std::size_t condition) {
  expect_size(function, "matrix", n * n, entries);
  expect_size(function, "out", n, out);
  if (condition != 0) expect_size(function, "condition", n, condition);
}

/// The power of two that brings the largest entry to [1, 2), so that no square in the solver overflows.
inline double scale_of(const double* numbers, std::size_t count) {
  double largest = 0;
  for (std::size_t i = 0; i < count; ++i) largest = std::fmax(largest, std::abs(numbers[i]));
  if (largest == 0) return 1;
  const int exponent = std::ilogb(largest);
  return std::ldexp(1.0, exponent < -1000 ? -1000 : exponent);
}

inline void expect_converged(const char* function, Eigen::ComputationInfo info, std::size_t n) {
  if (info == Eigen::Success) return;
  COEFDYN_THROW std::runtime_error(std::string(function) + ": the QR iteration on a " + std::to_string(n) + " x " + std::to_string(n) +
                                   " matrix should end within 40 n steps, but did not.");
}

/// Turns each 2 x 2 block on the diagonal of a real Schur form into a complex triangular one.
inline void make_triangular(Eigen::MatrixXcd& t) {
  using number = std::complex<double>;
  for (Eigen::Index k = 0; k + 1 < t.rows(); ++k) {
    if (t(k + 1, k) == 0.0) continue;
    const double half = 0.5 * (t(k, k).real() - t(k + 1, k + 1).real());
    const double product = t(k, k + 1).real() * t(k + 1, k).real();
    const number root(0, std::sqrt(std::fmax(0.0, -(half * half + product))));
    // (t_kk - x, t_k+1,k) with x the second eigenvalue spans the first eigenvector
    const number x = half + root;
    const double length = std::hypot(std::abs(x), t(k + 1, k).real());
    const number c = x / length, s = t(k + 1, k) / length;
    for (Eigen::Index j = 0; j < t.cols(); ++j) {
      const number above = t(k, j), below = t(k + 1, j);
      t(k, j) = std::conj(c) * above + std::conj(s) * below;
      t(k + 1, j) = c * below - s * above;
    }
    for (Eigen::Index i = 0; i < t.rows(); ++i) {
      const number left = t(i, k), right = t(i, k + 1);
      t(i, k) = left * c + right * s;
      t(i, k + 1) = right * std::conj(c) - left * std::conj(s);
    }
    t(k + 1, k) = 0;
  }
}

/// Rows and columns of a matrix that stand alone.
struct part {
  Eigen::Index first, last;  // last: one behind
};

/// Condition number of eigenvalue t_kk of a part of a triangular matrix: |x| |y| / |y^H x| with x_k = y_k = 1, where y^H x = 1
/// because x ends and y begins at k. Equal eigenvalues count as apart by rounding.
inline double condition_at(const Eigen::MatrixXcd& t, Eigen::Index k, double norm, part of) {
  using number = std::complex<double>;
  const double apart = std::fmax(std::numeric_limits<double>::epsilon() * norm, 1e-300);
  const auto gap = [&](Eigen::Index i) {
    const number d = t(k, k) - t(i, i);
    return std::abs(d) < apart ? number(apart) : d;
  };
  Eigen::VectorXcd x = Eigen::VectorXcd::Zero(t.rows()), y = x;
  double right = 1, left = 1;
  x(k) = y(k) = 1;
  for (Eigen::Index i = k - 1; i >= of.first; --i) {
    number sum = 0;
    for (Eigen::Index j = i + 1; j <= k; ++j) sum += t(i, j) * x(j);
    x(i) = sum / gap(i);
    right = std::hypot(right, std::abs(x(i)));
  }
  for (Eigen::Index j = k + 1; j < of.last; ++j) {
    number sum = 0;
    for (Eigen::Index i = k; i < j; ++i) sum += y(i) * t(i, j);
    y(j) = sum / gap(j);
    left = std::hypot(left, std::abs(y(j)));
  }
  const double condition = right * left;
  return math::is_finite(condition) ? condition : math::infinity<double>();
}

/// Conditions of the balanced matrix, from its Schur form. Returns about what entrywise rounding can have moved the worst eigenvalue by:
/// one that a permutation isolates moves as its entry does, one of the rest B by eps condition |B|, where couplings do not count.
template <class X>
double conditions_of(Eigen::MatrixXcd& triangular, const balanced<X>& b, std::span<double> out) {
  const auto n = triangular.rows();
  const part rest{static_cast<Eigen::Index>(b.first), static_cast<Eigen::Index>(b.last)};
  const double norm = triangular.block(rest.first, rest.first, rest.last - rest.first, rest.last - rest.first).norm();
  double worst = 0;
  for (Eigen::Index k = 0; k < n; ++k) {
    const bool in_rest = k >= rest.first && k < rest.last;
    if (in_rest) out[static_cast<std::size_t>(k)] = condition_at(triangular, k, norm, rest);
    worst = std::fmax(worst, in_rest ? out[static_cast<std::size_t>(k)] * norm : std::abs(triangular(k, k)));
  }
  if (rest.last - rest.first < n) {  // conditions say what any change does, so couplings come back to size
    for (Eigen::Index j = 0; j < n; ++j)
      for (Eigen::Index i = 0; i < j; ++i)
        triangular(i, j) = times_power(triangular(i, j), b.power[static_cast<std::size_t>(i)] - b.power[static_cast<std::size_t>(j)]);
    const double whole = triangular.norm();
    for (Eigen::Index k = 0; k < n; ++k) out[static_cast<std::size_t>(k)] = condition_at(triangular, k, whole, {0, n});
  }
  return std::numeric_limits<double>::epsilon() * worst;
}

/// `dense_eigenvalues` of a real matrix.
inline void solve_by_eigen(std::span<const double> matrix, std::size_t n, std::span<std::complex<double>> out, std::span<double> condition,
                           double* error) {
  constexpr auto name = "dense_eigenvalues";
  expect_square(name, matrix.size(), n, out.size(), condition.size());
  if (n == 0) return;
  expect_finite_rows(name, "matrix", matrix.data(), n, n);
  const balanced<double> balanced(matrix.data(), n);
  const double scale = scale_of(balanced.a.data(), n * n);
  const auto size = static_cast<Eigen::Index>(n);
  const Eigen::MatrixXd a = Eigen::MatrixXd::Map(balanced.a.data(), size, size).transpose() / scale;
  Eigen::RealSchur<Eigen::MatrixXd> schur(size);
  schur.computeFromHessenberg(Eigen::MatrixXd(Eigen::HessenbergDecomposition<Eigen::MatrixXd>(a).matrixH()), Eigen::MatrixXd(), false);
  expect_converged(name, schur.info(), n);
  const Eigen::MatrixXd& t = schur.matrixT();
  for (Eigen::Index k = 0; k < size; ++k) {
    const auto at = static_cast<std::size_t>(k);
    if (k + 1 == size || t(k + 1, k) == 0) {
      out[at] = t(k, k) * scale;
      continue;
    }
    const double half = 0.5 * (t(k, k) - t(k + 1, k + 1));
    const double middle = t(k + 1, k + 1) + half;
    const double root = std::sqrt(std::abs(half * half + t(k, k + 1) * t(k + 1, k)));
    out[at] = std::complex<double>(middle, root) * scale;
    out[at + 1] = std::conj(out[at]);
    ++k;
  }
  if (condition.empty()) return;
  Eigen::MatrixXcd triangular = t.cast<std::complex<double>>();
  make_triangular(triangular);
  const double moved = conditions_of(triangular, balanced, condition) * scale;
  if (error != nullptr) *error = moved;
}

/// The same for a complex matrix.
inline void solve_by_eigen(std::span<const std::complex<double>> matrix, std::size_t n, std::span<std::complex<double>> out,
                           std::span<double> condition, double* error) {
  constexpr auto name = "dense_eigenvalues";
  expect_square(name, matrix.size(), n, out.size(), condition.size());
  if (n == 0) return;
  for (std::size_t i = 0; i < n * n; ++i) {
    const bool real_part = !math::is_finite(matrix[i].real());
    if (real_part || !math::is_finite(matrix[i].imag()))
      refuse_value(name, "matrix[" + std::to_string(i / n) + ", " + std::to_string(i % n) + "]",
                   real_part ? matrix[i].real() : matrix[i].imag());
  }
  const balanced<std::complex<double>> balanced(matrix.data(), n);
  const double scale = scale_of(reinterpret_cast<const double*>(balanced.a.data()), 2 * n * n);
  const auto size = static_cast<Eigen::Index>(n);
  const Eigen::MatrixXcd a = Eigen::MatrixXcd::Map(balanced.a.data(), size, size).transpose() / scale;
  Eigen::ComplexSchur<Eigen::MatrixXcd> schur(size);
  schur.computeFromHessenberg(Eigen::MatrixXcd(Eigen::HessenbergDecomposition<Eigen::MatrixXcd>(a).matrixH()), Eigen::MatrixXcd(), false);
  expect_converged(name, schur.info(), n);
  for (std::size_t k = 0; k < n; ++k) {
    const auto at = static_cast<Eigen::Index>(k);
    out[k] = schur.matrixT()(at, at) * scale;
  }
  if (condition.empty()) return;
  Eigen::MatrixXcd triangular = schur.matrixT().triangularView<Eigen::Upper>();
  const double moved = conditions_of(triangular, balanced, condition) * scale;
  if (error != nullptr) *error = moved;
}

}  // namespace detail
}  // namespace coefdyn::spectrum
