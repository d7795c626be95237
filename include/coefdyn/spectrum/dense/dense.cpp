// SPDX-License-Identifier: MIT
// The dense solvers as a library, for every build that sets COEFDYN_DENSE to 1 (../dense.hpp).
#undef COEFDYN_DENSE
#define COEFDYN_DENSE 1
#include <coefdyn/spectrum/dense.hpp>
#include <coefdyn/spectrum/dense/eigenvalues.hpp>

namespace coefdyn::spectrum::detail {
void solve_dense(std::span<const double> matrix, std::size_t n, std::span<std::complex<double>> out, std::span<double> condition,
                 double* error) {
  solve_by_eigen(matrix, n, out, condition, error);
}
void solve_dense(std::span<const std::complex<double>> matrix, std::size_t n, std::span<std::complex<double>> out,
                 std::span<double> condition, double* error) {
  solve_by_eigen(matrix, n, out, condition, error);
}
}  // namespace coefdyn::spectrum::detail
