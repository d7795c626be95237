// SPDX-License-Identifier: MIT
#pragma once
#include "../core/complex.hpp"
#include "tape.hpp"

/// S4's state matrix from its parameters, forward and backward, in double whatever the activations are.
namespace coefdyn::nn {

/// Lambda_re, Lambda_im [D, N]; P, B [D, N, 2]; log_step [D].
struct dplr_parameters {
  parameter Lambda_re, Lambda_im, P, B, log_step;
};

namespace detail {
using complex_number = complex<double>;
template <class R>
complex_number complex_at(const R* pairs, std::size_t i) {
  return {static_cast<double>(pairs[2 * i]), static_cast<double>(pairs[2 * i + 1])};
}
inline complex_number divided(complex_number a, complex_number b) {
  const double s = b.re * b.re + b.im * b.im;
  return {(a.re * b.re + a.im * b.im) / s, (a.im * b.re - a.re * b.im) / s};
}
/// A^{-1} by Gauss and Jordan with pivots; A (n, n) is overwritten.
inline void invert(std::vector<complex_number>& A, std::vector<complex_number>& inverse, idx n) {
  const auto at = [n](idx r, idx c) { return static_cast<std::size_t>(r * n + c); };
  inverse.assign(A.size(), complex_number{});
  for (idx i = 0; i < n; ++i) inverse[at(i, i)] = complex_number(1);
  for (idx p = 0; p < n; ++p) {
    idx best = p;
    const auto size = [&](idx r) { return A[at(r, p)].re * A[at(r, p)].re + A[at(r, p)].im * A[at(r, p)].im; };
    for (idx r = p + 1; r < n; ++r)
      if (size(r) > size(best)) best = r;
    for (idx c = 0; c < n; ++c) std::swap(A[at(p, c)], A[at(best, c)]), std::swap(inverse[at(p, c)], inverse[at(best, c)]);
    const complex_number by = divided(complex_number(1), A[at(p, p)]);
    for (idx c = 0; c < n; ++c) A[at(p, c)] = A[at(p, c)] * by, inverse[at(p, c)] = inverse[at(p, c)] * by;
    for (idx r = 0; r < n; ++r) {
      const complex_number f = A[at(r, p)];
      if (r == p) continue;
      for (idx c = 0; c < n; ++c) A[at(r, c)] -= f * A[at(p, c)], inverse[at(r, c)] -= f * inverse[at(p, c)];
    }
  }
}
/// One channel's parameters, and its A, h = Delta / 2 and (I - h A)^{-1}.
struct dplr_channel {
  idx n;
  double h;
  std::vector<complex_number> Lambda, P, B, A, inverse;
  template <class R>
  dplr_channel(const tape<R>& t, const dplr_parameters& p, idx channel, idx modes)
      : n(modes), h(std::exp(double(t.weights(p.log_step)[channel])) / 2) {
    for (idx i = 0; i < n; ++i) {
      const idx at = channel * n + i;
      Lambda.emplace_back(std::min(double(t.weights(p.Lambda_re)[at]), -1e-4), double(t.weights(p.Lambda_im)[at]));
      P.emplace_back(double(t.weights(p.P)[2 * at]), double(t.weights(p.P)[2 * at + 1]));
      B.emplace_back(double(t.weights(p.B)[2 * at]), double(t.weights(p.B)[2 * at + 1]));
    }
    A.resize(static_cast<std::size_t>(n * n));
    std::vector<complex_number> left(A.size());
    for (std::size_t r = 0; r < P.size(); ++r)
      for (std::size_t c = 0; c < P.size(); ++c) {
        const complex_number a = (r == c ? Lambda[r] : complex_number{}) - P[r] * conj(P[c]);
        A[r * P.size() + c] = a;
        left[r * P.size() + c] = complex_number(r == c ? 1 : 0) - h * a;
      }
    invert(left, inverse, n);
  }
  complex_number inverse_at(idx r, idx c) const { return inverse[static_cast<std::size_t>(r * n + c)]; }
  /// (I - hA)^{-1} (I + hA) = 2 (I - hA)^{-1} - I.
  complex_number discrete(idx r, idx c) const { return 2.0 * inverse_at(r, c) - complex_number(r == c ? 1 : 0); }
  complex_number input(idx r) const {
    complex_number sum;
    for (idx c = 0; c < n; ++c) sum += inverse_at(r, c) * B[static_cast<std::size_t>(c)];
    return 2 * h * sum;
  }
  /// Adds the parameters' gradients from those of `discrete` and `input`: of the real and imaginary part, as a complex complex_number.
  template <class R>
  void pull_back(tape<R>& t, const dplr_parameters& p, idx channel, const R* dA, const R* dB) const {
    const auto size = static_cast<std::size_t>(n);
    // X = (I - hA)^{-1}: dX = 2 d(discrete) + 2 h d(input) B^*; d(I - hA) = -X^* dX X^*; dA = h X^* dX X^*
    std::vector<complex_number> dX(size * size), half(size * size), dM(size * size), Xb(size);
    for (std::size_t r = 0; r < size; ++r)
      for (std::size_t c = 0; c < size; ++c) {
        const complex_number d = complex_at(dA, r * size + c), b = complex_at(dB, r);
        dX[r * size + c] = 2.0 * d + 2 * h * (b * conj(B[c]));
        Xb[r] += inverse[r * size + c] * B[c];
      }
    for (std::size_t r = 0; r < size; ++r)
      for (std::size_t k = 0; k < size; ++k)
        for (std::size_t c = 0; c < size; ++c) half[r * size + c] += conj(inverse[k * size + r]) * dX[k * size + c];
    for (std::size_t r = 0; r < size; ++r)
      for (std::size_t k = 0; k < size; ++k)
        for (std::size_t c = 0; c < size; ++c) dM[r * size + c] += half[r * size + k] * conj(inverse[c * size + k]);
    double dh = 0;
    R* const by_B = t.gradients(p.B) + 2 * channel * n;
    R* const by_P = t.gradients(p.P) + 2 * channel * n;
    for (std::size_t r = 0; r < size; ++r) {
      const complex_number b = complex_at(dB, r);
      dh += 2 * (b.re * Xb[r].re + b.im * Xb[r].im);
      complex_number to_B, to_P;
      for (std::size_t c = 0; c < size; ++c) {
        const complex_number m = dM[r * size + c], a = A[r * size + c];
        dh += m.re * a.re + m.im * a.im;
        to_B += conj(inverse[c * size + r]) * complex_at(dB, c);
        to_P += h * (m * P[c] + conj(dM[c * size + r]) * P[c]);  // A = .. - P_r conj(P_c), through both
      }
      by_B[2 * r] += R(2 * h * to_B.re), by_B[2 * r + 1] += R(2 * h * to_B.im);
      by_P[2 * r] -= R(to_P.re), by_P[2 * r + 1] -= R(to_P.im);
      const complex_number d = h * dM[r * size + r];
      const idx at = channel * n + idx(r);
      if (double(t.weights(p.Lambda_re)[at]) <= -1e-4) t.gradients(p.Lambda_re)[at] += R(d.re);
      t.gradients(p.Lambda_im)[at] += R(d.im);
    }
    t.gradients(p.log_step)[channel] += R(dh * h);
  }
};
}  // namespace detail

/// The discrete A (D, n, n) and B (D, n), complex, of each channel's DPLR system under the bilinear rule.
/// source  Gu et al., arXiv:2111.00396
template <class R>
struct discrete_system {
  value<R> A, B;
};
/// The discrete A and B of a diagonal-plus-low-rank system, bilinear, for every channel.
template <class R>
discrete_system<R> discretise_dplr(tape<R>& t, const dplr_parameters& p, idx channels, idx n) {
  discrete_system<R> out{t.make(1, 1, 2 * channels * n * n), t.make(1, 1, 2 * channels * n)};
  out.A.stride = out.B.stride = 0;
  t.each(channels, [&](idx channel, int) {
    const detail::dplr_channel c(t, p, channel, n);
    R* const A = out.A.data + 2 * channel * n * n;
    R* const B = out.B.data + 2 * channel * n;
    for (idx r = 0; r < n; ++r) {
      for (idx k = 0; k < n; ++k) A[2 * (r * n + k)] = R(c.discrete(r, k).re), A[2 * (r * n + k) + 1] = R(c.discrete(r, k).im);
      B[2 * r] = R(c.input(r).re), B[2 * r + 1] = R(c.input(r).im);
    }
  });
  t.record([=](tape<R>& back) {
    back.each(channels, [&](idx channel, int) {
      const detail::dplr_channel c(back, p, channel, n);
      c.pull_back(back, p, channel, out.A.gradient + 2 * channel * n * n, out.B.gradient + 2 * channel * n);
    });
  });
  return out;
}

}  // namespace coefdyn::nn
