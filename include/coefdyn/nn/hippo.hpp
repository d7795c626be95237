// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>
#include <utility>
#include <vector>

#include "../core/complex.hpp"
#include "../core/config.hpp"

namespace coefdyn::nn {

/// HiPPO-LegS as a diagonal and a rank: -A = 1/2 I + skew + p p' in the basis that makes the skew part diagonal. n eigenvalues -1/2 + i
/// Lambda_im, and P = V^* p, B = V^* b with p_k = sqrt(k + 1/2), b_k = sqrt(2 k + 1).
///
/// source  Gu et al., arXiv:2008.07669; the normal plus low-rank form: arXiv:2111.00396
struct hippo_legs {
  std::vector<double> Lambda_im;
  std::vector<complex<double>> P, B;

  explicit hippo_legs(idx n) {
    const auto size = static_cast<std::size_t>(n);
    std::vector<complex<double>> H(size * size), V(size * size);  // H = -i K, K the skew part of A
    for (std::size_t r = 0; r < size; ++r) {
      V[r * size + r] = complex<double>(1);
      for (std::size_t c = 0; c < size; ++c)
        if (r != c) H[r * size + c] = {0, (r > c ? 0.5 : -0.5) * std::sqrt((2.0 * double(r) + 1) * (2.0 * double(c) + 1))};
    }
    diagonalise(H, V, size);
    for (std::size_t j = 0; j < size; ++j) {
      complex<double> p, b;
      for (std::size_t k = 0; k < size; ++k) {
        p += std::sqrt(double(k) + 0.5) * conj(V[k * size + j]);
        b += std::sqrt(2.0 * double(k) + 1) * conj(V[k * size + j]);
      }
      Lambda_im.push_back(H[j * size + j].re), P.push_back(p), B.push_back(b);
    }
  }

 private:
  /// Jacobi's rotations on a Hermitian matrix: H becomes diagonal, V collects them.
  static void diagonalise(std::vector<complex<double>>& H, std::vector<complex<double>>& V, std::size_t n) {
    for (int sweep = 0; sweep < 60; ++sweep) {
      double off = 0, all = 0;
      for (std::size_t r = 0; r < n; ++r)
        for (std::size_t c = 0; c < n; ++c) {
          const double square = H[r * n + c].re * H[r * n + c].re + H[r * n + c].im * H[r * n + c].im;
          all += square, off += r == c ? 0 : square;
        }
      if (off <= 1e-30 * all) return;
      for (std::size_t p = 0; p + 1 < n; ++p)
        for (std::size_t q = p + 1; q < n; ++q) rotate(H, V, n, p, q);
    }
  }
  static void rotate(std::vector<complex<double>>& H, std::vector<complex<double>>& V, std::size_t n, std::size_t p, std::size_t q) {
    const complex<double> h = H[p * n + q];
    const double size = std::hypot(h.re, h.im);
    if (size == 0) return;
    const complex<double> phase(h.re / size, h.im / size);
    const double theta = 0.5 * std::atan2(2 * size, H[q * n + q].re - H[p * n + p].re), c = std::cos(theta), s = std::sin(theta);
    const auto columns = [&](std::vector<complex<double>>& M) {  // M <- M G
      for (std::size_t k = 0; k < n; ++k) {
        const complex<double> a = M[k * n + p], b = M[k * n + q];
        M[k * n + p] = c * a - s * (conj(phase) * b);
        M[k * n + q] = s * (phase * a) + c * b;
      }
    };
    columns(H), columns(V);
    for (std::size_t k = 0; k < n; ++k) {  // H <- G^* H
      const complex<double> a = H[p * n + k], b = H[q * n + k];
      H[p * n + k] = c * a - s * (phase * b);
      H[q * n + k] = s * (conj(phase) * a) + c * b;
    }
  }
};

}  // namespace coefdyn::nn
