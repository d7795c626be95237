// SPDX-License-Identifier: MIT
#include <coefdyn/spectrum/dense.hpp>
#include <vector>

int main() {
  const std::vector<double> turn{0, -1, 1, 0};
  std::vector<std::complex<double>> values(2);
  std::vector<double> condition(2);
  coefdyn::spectrum::dense_eigenvalues(turn, 2, values, condition);
  return std::abs(std::abs(values[0]) - 1) < 1e-12 ? 0 : 1;
}
