// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cmath>

#include "../core/complex.hpp"
#include "tape.hpp"

/// S4's state matrix from its parameters, forward and backward, in double whatever the activations are.
namespace coefdyn::nn {

/// Lambda_re, Lambda_im [D, N]; P, B [D, N, 2]; log_step [D].
struct dplr_parameters {
  parameter Lambda_re, Lambda_im, P, B, log_step;
};
/// The discrete A (D, n, n) and B (D, n), complex, of each channel's DPLR system under the bilinear rule.
/// source  Gu et al., arXiv:2111.00396
template <class R>
struct discrete_system {
  value<R> A, B;
};

namespace detail {
using complex_number = complex<double>;
template <class R>
COEFDYN_HD complex_number complex_at(const R* pairs, idx i) {
  return {static_cast<double>(pairs[2 * i]), static_cast<double>(pairs[2 * i + 1])};
}
COEFDYN_HD inline complex_number divided(complex_number a, complex_number b) {
  const double s = b.re * b.re + b.im * b.im;
  return {(a.re * b.re + a.im * b.im) / s, (a.im * b.re - a.re * b.im) / s};
}
/// The system of one channel, and X = (I - h A)^{-1}, h = Delta / 2, which is diagonal plus rank one as A is: with E = 1 / (1 - h Lambda),
/// a = E P and c = h / (1 + h P^* E P), X = diag(E) - c a b', b_k = E_k conj(P_k). No pivots: |1 / E| and |h / c| are at least 1.
template <class R>
struct dplr_channel {
  const R *Lambda_re, *Lambda_im, *P, *B, *log_step;
  idx n;

  COEFDYN_HD complex_number Lambda_at(idx i) const {
    return {double(Lambda_re[i]) < -1e-4 ? double(Lambda_re[i]) : -1e-4, double(Lambda_im[i])};
  }
  COEFDYN_HD double half_step() const { return std::exp(double(*log_step)) / 2; }
  COEFDYN_HD complex_number A_at(idx r, idx c) const {
    return (r == c ? Lambda_at(r) : complex_number{}) - complex_at(P, r) * conj(complex_at(P, c));
  }
};
/// X of a channel in memory of 3 n numbers.
struct dplr_inverse {
  complex_number *E, *a, *b;
  complex_number c;
  static constexpr COEFDYN_HD idx room(idx n) { return 3 * n; }

  template <class R, class Team>
  COEFDYN_HD dplr_inverse(Team team, const dplr_channel<R>& s, complex_number* memory) : E(memory), a(memory + s.n), b(memory + 2 * s.n) {
    const double h = s.half_step();
    complex_number sum;
    for (idx k = team.first(); k < s.n; k += team.step()) {
      const complex_number p = complex_at(s.P, k);
      E[k] = divided(complex_number(1), complex_number(1) - h * s.Lambda_at(k));
      a[k] = E[k] * p, b[k] = E[k] * conj(p);
      sum += conj(p) * a[k];
    }
    const complex_number all(team.sum(sum.re), team.sum(sum.im));
    c = divided(complex_number(h), complex_number(1) + h * all);
    team.meet();
  }
  COEFDYN_HD complex_number at(idx row, idx column) const { return (row == column ? E[row] : complex_number{}) - c * (a[row] * b[column]); }
};
/// All channels from `first_channel` on; one at a time has `room` numbers of its own.
template <class R>
struct dplr_channels {
  dplr_channel<R> of;  // channel 0
  discrete_system<R> out;
  idx first_channel;
  complex_number* memory;
  static constexpr COEFDYN_HD idx room(idx n) { return dplr_inverse::room(n); }

  COEFDYN_HD dplr_channel<R> channel(idx c) const {
    const idx n = of.n;
    return {of.Lambda_re + c * n, of.Lambda_im + c * n, of.P + 2 * c * n, of.B + 2 * c * n, of.log_step + c, n};
  }
  template <class Team>
  COEFDYN_HD void operator()(Team team, idx j, idx) const {
    const dplr_channel<R> s = channel(first_channel + j);
    const idx n = s.n;
    const dplr_inverse X(team, s, memory + j * room(n));
    const double h = s.half_step();
    R* const to_A = out.A.data + 2 * (first_channel + j) * n * n;
    R* const to_B = out.B.data + 2 * (first_channel + j) * n;
    for (idx r = team.first(); r < n; r += team.step()) {
      complex_number input;
      for (idx c = 0; c < n; ++c) {
        const complex_number x = X.at(r, c), discrete = 2.0 * x - complex_number(r == c ? 1 : 0);
        to_A[2 * (r * n + c)] = R(discrete.re), to_A[2 * (r * n + c) + 1] = R(discrete.im);
        input += x * complex_at(s.B, c);
      }
      input = 2 * h * input;
      to_B[2 * r] = R(input.re), to_B[2 * r + 1] = R(input.im);
    }
  }
};
/// Adds the parameters' gradients from those of the discrete A and B: of the real and imaginary part, as a complex number.
template <class R>
struct dplr_channels_back {
  dplr_channels<R> of;
  R *to_Lambda_re, *to_Lambda_im, *to_P, *to_B, *to_log_step;  // of channel 0
  static constexpr COEFDYN_HD idx room(idx n) { return n * n + 3 * n + dplr_inverse::room(n); }

  template <class Team>
  COEFDYN_HD void operator()(Team team, idx j, idx) const {
    const idx channel = of.first_channel + j;
    const dplr_channel<R> s = of.channel(channel);
    const idx n = s.n;
    complex_number *const dM = of.memory + j * room(n), *const Xb = dM + n * n, *const sums = Xb + n;
    const dplr_inverse X(team, s, sums + 2 * n);
    const double h = s.half_step();
    const R* const dB = of.out.B.gradient + 2 * channel * n;
    gather(team, s, channel, X, dM, Xb);
    through(team, n, X, dM, sums);
    R *const by_B = to_B + 2 * channel * n, *const by_P = to_P + 2 * channel * n;
    double dh = 0;
    for (idx r = team.first(); r < n; r += team.step()) {
      const complex_number b = complex_at(dB, r);
      dh += 2 * (b.re * Xb[r].re + b.im * Xb[r].im);
      complex_number from_B, from_P;
      for (idx c = 0; c < n; ++c) {
        const complex_number m = dM[r * n + c], a = s.A_at(r, c), p = complex_at(s.P, c);
        dh += m.re * a.re + m.im * a.im;
        from_B += conj(X.at(c, r)) * complex_at(dB, c);
        from_P += h * (m * p + conj(dM[c * n + r]) * p);  // A = .. - P_r conj(P_c), through both
      }
      by_B[2 * r] += R(2 * h * from_B.re), by_B[2 * r + 1] += R(2 * h * from_B.im);
      by_P[2 * r] -= R(from_P.re), by_P[2 * r + 1] -= R(from_P.im);
      const complex_number d = h * dM[r * n + r];
      if (double(s.Lambda_re[r]) <= -1e-4) to_Lambda_re[channel * n + r] += R(d.re);
      to_Lambda_im[channel * n + r] += R(d.im);
    }
    dh = team.sum(dh);
    if (team.first() == 0) to_log_step[channel] += R(dh * h);
    team.meet();
  }

 private:
  template <class Team>
  COEFDYN_HD void gather(Team team, const dplr_channel<R>& s, idx channel, const dplr_inverse& X, complex_number* dX,
                         complex_number* Xb) const {
    const idx n = s.n;
    const double h = s.half_step();
    const R* const dA = of.out.A.gradient + 2 * channel * n * n;
    const R* const dB = of.out.B.gradient + 2 * channel * n;
    // X = (I - hA)^{-1}: dX = 2 d(discrete) + 2 h d(input) B^*; dM = -d(I - hA) = X^* dX X^*; dA = h dM
    for (idx r = team.first(); r < n; r += team.step()) {
      complex_number sum;
      for (idx c = 0; c < n; ++c) {
        dX[r * n + c] = 2.0 * complex_at(dA, r * n + c) + 2 * h * (complex_at(dB, r) * conj(complex_at(s.B, c)));
        sum += X.at(r, c) * complex_at(s.B, c);
      }
      Xb[r] = sum;
    }
    team.meet();
  }
  /// Y <- X^* Y X^*, through the rank-one part on either side; `sums`: 2 n numbers.
  template <class Team>
  COEFDYN_HD static void through(Team team, idx n, const dplr_inverse& X, complex_number* Y, complex_number* sums) {
    for (idx c = team.first(); c < n; c += team.step()) {
      complex_number sum;
      for (idx k = 0; k < n; ++k) sum += conj(X.a[k]) * Y[k * n + c];
      sums[c] = conj(X.c) * sum;
    }
    team.meet();
    for (idx r = team.first(); r < n; r += team.step()) {
      complex_number sum;
      for (idx c = 0; c < n; ++c) {
        Y[r * n + c] = conj(X.E[r]) * Y[r * n + c] - conj(X.b[r]) * sums[c];
        sum += Y[r * n + c] * conj(X.b[c]);
      }
      sum = conj(X.c) * sum;
      for (idx c = 0; c < n; ++c) Y[r * n + c] = Y[r * n + c] * conj(X.E[c]) - sum * conj(X.a[c]);
    }
    team.meet();
  }
};
/// f over all channels, as many at a time as 64 MB hold.
template <class R, class On, class F>
void for_dplr_channels(tape<R, On>& t, idx channels, idx room, F f) {
  const idx bytes = idx(sizeof(complex_number)) * room, together = std::clamp<idx>((idx(1) << 26) / bytes, 1, channels);
  complex_number* const memory = reinterpret_cast<complex_number*>(t.scratch(static_cast<std::size_t>(together * bytes)).data());
  for (idx first = 0; first < channels; first += together) t.groups(std::min(together, channels - first), 1, f(first, memory), 1);
}
}  // namespace detail

/// A and B of each channel, from its parameters.
template <class R, class On>
discrete_system<R> discretise_dplr(tape<R, On>& t, const dplr_parameters& p, idx channels, idx n) {
  discrete_system<R> out{t.make(1, 1, 2 * channels * n * n), t.make(1, 1, 2 * channels * n)};
  out.A.stride = out.B.stride = 0;
  const detail::dplr_channel<R> first{t.weights(p.Lambda_re), t.weights(p.Lambda_im), t.weights(p.P),
                                      t.weights(p.B),         t.weights(p.log_step),  n};
  using forward = detail::dplr_channels<R>;
  detail::for_dplr_channels(t, channels, forward::room(n),
                            [&](idx begin, detail::complex_number* memory) { return forward{first, out, begin, memory}; });
  t.record([=](tape<R, On>& back) {
    using backward = detail::dplr_channels_back<R>;
    detail::for_dplr_channels(back, channels, backward::room(n), [&](idx begin, detail::complex_number* memory) {
      return backward{{first, out, begin, memory}, back.gradients(p.Lambda_re), back.gradients(p.Lambda_im),
                      back.gradients(p.P),         back.gradients(p.B),         back.gradients(p.log_step)};
    });
  });
  return out;
}

}  // namespace coefdyn::nn
