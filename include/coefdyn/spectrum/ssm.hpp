// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <complex>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "solver.hpp"

/// Spectra of linear time-invariant state-space layers (S4, S4D, S5) from their continuous parameters. The discretised
/// matrix is not formed: at HiPPO initialisation its rounding alone moves eigenvalues by 0.2 at n = 32.
namespace coefdyn::spectrum {

/// The rule that makes a continuous system discrete.
enum class discretisation { bilinear, zero_order_hold };

/// The discrete eigenvalue of a continuous one.
///
/// range   finite; step > 0; the bilinear rule has a pole at step * lambda = 2, where infinity comes out
/// source  the usual rules of discretisation: (1 + step lambda / 2) / (1 - step lambda / 2), and exp(step lambda)
inline std::complex<double> discretised(std::complex<double> lambda, double step, discretisation rule) {
  const std::complex<double> x = step * lambda;
  if (rule == discretisation::zero_order_hold) return std::exp(x);
  if (x == 2.0) return math::infinity<double>();
  return (2.0 + x) / (2.0 - x);
}

/// |d discretised / d lambda|: what an error in the continuous eigenvalue is multiplied with.
inline double discretised_slope(std::complex<double> lambda, double step, discretisation rule) {
  const std::complex<double> x = step * lambda;
  if (rule == discretisation::zero_order_hold) return std::abs(step * std::exp(x));
  return 4 * std::abs(step) / std::norm(2.0 - x);
}

/// S4D, S5: a diagonal of continuous eigenvalues.
///
/// shape   lambda, out: n
/// error   std::invalid_argument naming the entry that is not finite, or the wrong size
inline void discretised(std::span<const std::complex<double>> lambda, double step, discretisation rule,
                        std::span<std::complex<double>> out) {
  constexpr auto name = "discretised";
  detail::expect_size(name, "out", lambda.size(), out.size());
  detail::expect_finite(name, "step", &step, 1);
  for (std::size_t i = 0; i < lambda.size(); ++i) {
    if (!math::is_finite(lambda[i].real()) || !math::is_finite(lambda[i].imag()))
      detail::refuse_value(name, "lambda[" + std::to_string(i) + "]",
                           math::is_finite(lambda[i].real()) ? lambda[i].imag() : lambda[i].real());
    out[i] = discretised(lambda[i], step, rule);
  }
}

/// S4 at HiPPO-LegS initialisation, whose continuous eigenvalues are -1, ..., -n: real, ascending in modulus of the
/// continuous one, exact to rounding for every n.
///
/// shape   out: n
/// source  HiPPO, arXiv:2008.07669, LegS: a triangular matrix with this diagonal
inline void hippo_legs_eigenvalues(double step, discretisation rule, std::span<std::complex<double>> out) {
  detail::expect_finite("hippo_legs_eigenvalues", "step", &step, 1);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = discretised(-static_cast<double>(i + 1), step, rule);
}

/// What rounding alone can move an eigenvalue by: condition * eps * norm, where eps is the unit roundoff of the data
/// the matrix was stored in (1.2e-7 for float32 and complex64) and norm its spectral or Frobenius norm.
inline double rounding_alone(double condition, double norm, double eps = std::numeric_limits<double>::epsilon()) {
  return condition * eps * norm;
}

/// True where the imaginary part is no more than rounding: the eigenvalue may be real.
inline bool phase_may_be_rounding(std::complex<double> x, double error) { return std::abs(x.imag()) <= error; }

/// S4 with any parameters, A = diag(lambda) - P Q^* with Q conjugated: eigenvalues of the continuous matrix, then
/// discretised, and what rounding of the parameters alone can have done to each.
///
/// shape   lambda, p, q, out, error: n; allocates n x n
/// range   finite; eps the unit roundoff of the stored parameters
/// error   std::invalid_argument for a wrong size; the solver's own for entries that are not finite
inline void s4_eigenvalues(std::span<const std::complex<double>> lambda, std::span<const std::complex<double>> p,
                           std::span<const std::complex<double>> q, double step, discretisation rule, std::span<std::complex<double>> out,
                           std::span<double> error, complex_dense_solver solver, double eps = std::numeric_limits<double>::epsilon()) {
  constexpr auto name = "s4_eigenvalues";
  const std::size_t n = lambda.size();
  detail::expect_size(name, "p", n, p.size());
  detail::expect_size(name, "q", n, q.size());
  detail::expect_size(name, "out", n, out.size());
  detail::expect_size(name, "error", n, error.size());
  detail::expect_finite(name, "step", &step, 1);
  std::vector<std::complex<double>> matrix(n * n);
  double square = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      matrix[i * n + j] = (i == j ? lambda[i] : 0.0) - p[i] * std::conj(q[j]);
      square += std::norm(matrix[i * n + j]);
    }
  solver(matrix, n, out, error);
  for (std::size_t i = 0; i < n; ++i) {
    error[i] = rounding_alone(error[i], std::sqrt(square), eps) * discretised_slope(out[i], step, rule);
    out[i] = discretised(out[i], step, rule);
  }
}

}  // namespace coefdyn::spectrum
