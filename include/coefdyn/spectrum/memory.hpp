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

/// How long a state remembers. The horizon of token j is the number of steps s after which the spectral norm of
/// Lambda_{j+s} ... Lambda_{j+1} is below 1/e; infinity if that never happens within the sequence.
namespace coefdyn::spectrum {

/// The horizon of a product that does not fall below 1/e within the sequence.
inline constexpr double never = std::numeric_limits<double>::infinity();

/// Singular values of a column-major rows x columns matrix, largest first; the matrix is overwritten. One-sided Jacobi:
/// small ones are accurate relative to their own column, and no library is needed.
///
/// shape   matrix rows * columns, out columns
/// range   finite
/// error   std::invalid_argument naming the entry that is not finite; 60 sweeps at most, 10 are usual
/// source  Demmel and Veselic, SIAM J. Matrix Anal. Appl. 13 (1992)
inline void singular_values(std::span<double> matrix, std::size_t rows, std::size_t columns, std::span<double> out) {
  constexpr auto name = "singular_values";
  detail::expect_size(name, "matrix", rows * columns, matrix.size());
  detail::expect_size(name, "out", columns, out.size());
  detail::expect_finite(name, "matrix", matrix.data(), matrix.size());
  double largest = 0;
  for (const double x : matrix) largest = std::fmax(largest, std::abs(x));
  const double scale = largest == 0 ? 1 : largest;
  for (double& x : matrix) x /= scale;
  bool rotated = true;
  for (int sweep = 0; sweep < 60 && rotated; ++sweep) {
    rotated = false;
    for (std::size_t p = 0; p < columns; ++p)
      for (std::size_t q = p + 1; q < columns; ++q) {
        double *x = matrix.data() + p * rows, *y = matrix.data() + q * rows, xx = 0, yy = 0, xy = 0;
        for (std::size_t i = 0; i < rows; ++i) {
          xx += x[i] * x[i];
          yy += y[i] * y[i];
          xy += x[i] * y[i];
        }
        if (xy == 0 || std::abs(xy) <= 1e-15 * std::sqrt(xx * yy)) continue;
        rotated = true;
        const double ratio = (yy - xx) / (2 * xy);
        const double tangent = std::copysign(1.0, ratio) / (std::abs(ratio) + std::hypot(1.0, ratio));
        const double c = 1 / std::hypot(1.0, tangent), s = c * tangent;
        for (std::size_t i = 0; i < rows; ++i) {
          const double old = x[i];
          x[i] = c * old - s * y[i];
          y[i] = s * old + c * y[i];
        }
      }
  }
  for (std::size_t k = 0; k < columns; ++k) {
    double square = 0;
    for (std::size_t i = 0; i < rows; ++i) square += matrix[k * rows + i] * matrix[k * rows + i];
    out[k] = std::sqrt(square) * scale;
  }
  std::sort(out.begin(), out.end(), [](double a, double b) { return a > b; });
}

/// The largest singular value. The order of storage does not matter.
inline double spectral_norm(std::span<const double> matrix, std::size_t n) {
  if (n == 0) return 0;
  std::vector<double> copy(matrix.begin(), matrix.end()), values(n);
  singular_values(copy, n, n, values);
  return values[0];
}

/// The largest modulus of the eigenvalues; 0 of none.
inline double spectral_radius(std::span<const std::complex<double>> eigenvalues) {
  double largest = 0;
  for (const auto& x : eigenvalues) largest = std::fmax(largest, std::abs(x));
  return largest;
}

/// exp of the entropy of the normalised singular values: between 1 and the rank; 0 for the zero matrix.
///
/// source  Roy and Vetterli, EUSIPCO 2007
inline double effective_rank(std::span<const double> singular) {
  double sum = 0, entropy = 0;
  for (const double s : singular) sum += s;
  if (sum == 0) return 0;
  for (const double s : singular)
    if (s > 0) entropy -= s / sum * std::log(s / sum);
  return std::exp(entropy);
}

/// Of a state of n x d (or d x n).
inline double effective_rank(std::span<const double> state, std::size_t rows, std::size_t columns) {
  detail::expect_size("effective_rank", "state", rows * columns, state.size());
  std::vector<double> copy(state.size()), values(std::min(rows, columns));
  const bool flip = rows < columns;  // the shorter side becomes the columns; row-major input is read transposed
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; ++j) copy[flip ? i * columns + j : j * rows + i] = state[i * columns + j];
  singular_values(copy, std::max(rows, columns), values.size(), values);
  return effective_rank(values);
}

/// Horizon of every token of a scalar evolution in O(T log T), from log |Lambda_t|, t = 0 .. T-1 (entry 0 is not used).
///
/// shape   log_decay, out: T
/// range   -inf to finite, positive entries (a ratio of normalizers above 1) too; below -2000 a gate counts as 0, or the
///         sums would lose the digits of the others
/// error   std::invalid_argument for NaN and +inf, naming the token
inline void horizons(std::span<const double> log_decay, std::span<double> out) {
  constexpr auto name = "horizons";
  const auto zero = [](double log) { return log < -2000; };
  const double none = math::infinity<double>();  // never
  const std::size_t count = log_decay.size();
  detail::expect_size(name, "out", count, out.size());
  std::vector<double> after(count + 1, 0);  // sum of logs of (i, end), restarted at each gate of 0
  std::vector<std::size_t> lower;           // i > j whose product falls below all before it, nearest on top
  for (std::size_t j = count; j-- > 0;) {
    const double own = log_decay[j];
    if (math::is_nan(own) || (math::is_infinite(own) && own > 0)) detail::refuse_value(name, "log_decay[" + std::to_string(j) + "]", own);
    const bool closed = j + 1 < count && zero(log_decay[j + 1]);
    if (closed) lower.assign(1, j + 1);
    after[j] = closed || j + 1 == count ? 0 : after[j + 1] + log_decay[j + 1];
    // log of the product over (j, i] is after[j] - after[i]; a gate of 0 at i makes it -inf
    const auto below = [&](std::size_t i) { return zero(log_decay[i]) || after[j] - after[i] < -1; };
    const auto hit = std::partition_point(lower.rbegin(), lower.rend(), [&](std::size_t i) { return !below(i); });
    out[j] = hit == lower.rend() ? none : static_cast<double>(*hit - j);
    if (zero(own)) continue;  // the token before restarts with this one
    while (!lower.empty() && !zero(log_decay[lower.back()]) && after[lower.back()] <= after[j]) lower.pop_back();
    lower.push_back(j);
  }
}

/// The same for a diagonal evolution: the spectral norm of the product is its largest channel's.
///
/// shape   log_decay T x n row-major, out T. Gates that never exceed 1 take O(T n log T); others O(n horizon) a token
inline void horizons(std::span<const double> log_decay, std::size_t n, std::span<double> out) {
  const std::size_t count = out.size();
  detail::expect_size("horizons", "log_decay", count * n, log_decay.size());
  std::vector<double> channel(count), own(count);
  bool contracts = true;
  const double none = math::infinity<double>();  // never
  std::fill(out.begin(), out.end(), n == 0 ? none : 0.0);
  for (std::size_t c = 0; c < n; ++c) {
    for (std::size_t t = 0; t < count; ++t) channel[t] = log_decay[t * n + c];
    for (std::size_t t = 1; t < count; ++t) contracts = contracts && channel[t] <= 0;
    horizons(channel, own);
    for (std::size_t t = 0; t < count; ++t) out[t] = std::fmax(out[t], own[t]);
  }
  if (contracts) return;
  channel.resize(n);
  for (std::size_t j = 0; j < count; ++j) {
    std::fill(channel.begin(), channel.end(), 0.0);
    out[j] = none;
    for (std::size_t i = j + 1; i < count && math::is_infinite(out[j]); ++i) {
      for (std::size_t c = 0; c < n; ++c) channel[c] += log_decay[i * n + c];
      if (*std::max_element(channel.begin(), channel.end()) < -1) out[j] = static_cast<double>(i - j);
    }
  }
}

/// Horizon of token j of any evolution: `apply(t, x)` overwrites the n numbers x by Lambda_t x. The exact norm is taken
/// only where |.|_F / sqrt(n) and |.|_F leave it open.
template <class Apply>
double horizon(Apply&& apply, std::size_t n, std::size_t j, std::size_t count) {
  const double threshold = std::exp(-1.0);
  std::vector<double> product(n * n, 0.0);  // column-major
  for (std::size_t c = 0; c < n; ++c) product[c * n + c] = 1;
  for (std::size_t t = j + 1; t < count; ++t) {
    double square = 0;
    for (std::size_t c = 0; c < n; ++c) apply(t, std::span<double>(product).subspan(c * n, n));
    for (const double x : product) square += x * x;
    if (!math::is_finite(square)) detail::refuse_value("horizon", "Lambda at t = " + std::to_string(t), square);
    const double frobenius = std::sqrt(square);
    if (frobenius / std::sqrt(static_cast<double>(n)) >= threshold) continue;
    if (frobenius < threshold || spectral_norm(product, n) < threshold) return static_cast<double>(t - j);
  }
  return math::infinity<double>();
}

/// Lyapunov exponents over tokens first .. count-1, largest first: the mean growth per step of volumes carried along,
/// -inf for a direction that is annihilated.
///
/// shape   `apply` as in horizon; the result has n entries
/// source  Benettin et al., Meccanica 15 (1980), by modified Gram-Schmidt run twice
template <class Apply>
std::vector<double> lyapunov_exponents(Apply&& apply, std::size_t n, std::size_t first, std::size_t count) {
  std::vector<double> frame(n * n, 0.0), growth(n, 0.0);
  for (std::size_t c = 0; c < n; ++c) frame[c * n + c] = 1;
  const auto remove = [&](double* x, std::size_t k) {
    for (int pass = 0; pass < 2; ++pass)
      for (std::size_t b = 0; b < k; ++b) {
        double dot = 0;
        for (std::size_t i = 0; i < n; ++i) dot += frame[b * n + i] * x[i];
        for (std::size_t i = 0; i < n; ++i) x[i] -= dot * frame[b * n + i];
      }
    double square = 0;
    for (std::size_t i = 0; i < n; ++i) square += x[i] * x[i];
    return std::sqrt(square);
  };
  for (std::size_t t = first; t < count; ++t)
    for (std::size_t k = 0; k < n; ++k) {
      double* x = frame.data() + k * n;
      apply(t, std::span<double>(x, n));
      double rest = remove(x, k);
      if (!math::is_finite(rest)) detail::refuse_value("lyapunov_exponents", "Lambda at t = " + std::to_string(t), rest);
      growth[k] += std::log(rest);
      for (std::size_t axis = 0; rest < 1e-290 && axis < n; ++axis) {  // annihilated: any direction may replace it
        std::fill(x, x + n, 0.0);
        x[axis] = 1;
        rest = remove(x, k);
        if (rest < 0.5 / std::sqrt(static_cast<double>(n))) rest = 0;
      }
      for (std::size_t i = 0; i < n; ++i) x[i] /= rest;
    }
  for (double& g : growth) g /= static_cast<double>(count > first ? count - first : 1);
  std::sort(growth.begin(), growth.end(), [](double a, double b) { return a > b; });
  return growth;
}

}  // namespace coefdyn::spectrum
