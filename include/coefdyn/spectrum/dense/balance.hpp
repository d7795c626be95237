// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <complex>
#include <cstddef>
#include <utility>
#include <vector>

/// What comes before the dense solver: a similarity of permutations and powers of two that brings a badly scaled matrix to rows and
/// columns of like size. It rounds nothing, and the solver's errors are then relative to the small matrix, not to the large one.
///
/// source  Parlett and Reinsch, Numer. Math. 13 (1969), 293; lengths with the diagonal: James, Langou and Lowery, arXiv:1401.5766
namespace coefdyn::spectrum::detail {

inline double times_power(double x, int exponent) { return std::ldexp(x, exponent); }
inline std::complex<double> times_power(std::complex<double> x, int exponent) {
  return {std::ldexp(x.real(), exponent), std::ldexp(x.imag(), exponent)};
}

/// A row-major n x n matrix, real or complex, that is balanced in place:
///
///   P' D^-1 A D P = [ T1  X  Y ]    T1, T3 upper triangular: their eigenvalues are read off;
///                   [     B  Z ]    B, rows and columns first .. last - 1: scaled
///                   [        T3]
///
/// The couplings X, Y, Z say nothing about eigenvalues, and may be of any size: powers of two bring them below that of the rest.
template <class X>
class balanced {
 public:
  std::size_t n, first = 0, last;
  std::vector<X> a;
  std::vector<int> power;  // entry (i, j) is 2^(power[j] - power[i]) times what it was before its coupling was brought down

  balanced(const X* matrix, std::size_t size) : n(size), last(size), a(matrix, matrix + size * size), power(size, 0) {
    isolate();
    while (scale()) {
    }
    decouple();
  }

 private:
  X& at(std::size_t i, std::size_t j) { return a[i * n + j]; }

  /// Length of entry(begin) .. entry(end - 1), without squares that leave the range.
  template <class F>
  static double length(std::size_t begin, std::size_t end, F entry) {
    double most = 0, sum = 0;
    for (std::size_t j = begin; j < end; ++j) most = std::fmax(most, std::abs(entry(j)));
    if (most == 0) return 0;
    for (std::size_t j = begin; j < end; ++j) sum += std::pow(std::abs(entry(j)) / most, 2);
    return most * std::sqrt(sum);
  }
  double row_length(std::size_t i, std::size_t begin, std::size_t end) {
    return length(begin, end, [&](std::size_t j) { return at(i, j); });
  }
  double column_length(std::size_t j, std::size_t begin, std::size_t end) {
    return length(begin, end, [&](std::size_t i) { return at(i, j); });
  }
  void exchange(std::size_t i, std::size_t j) {
    if (i == j) return;
    for (std::size_t k = 0; k < n; ++k) std::swap(at(i, k), at(j, k));
    for (std::size_t k = 0; k < n; ++k) std::swap(at(k, i), at(k, j));
  }
  /// Rows that are zero but for the diagonal go to the end, such columns to the start.
  void isolate() {
    const auto alone = [&](std::size_t j, auto entry) {
      for (std::size_t k = first; k < last; ++k)
        if (k != j && entry(k) != X(0)) return false;
      return true;
    };
    for (std::size_t j = last; j-- > first;)
      if (alone(j, [&](std::size_t k) { return at(j, k); })) exchange(j, --last), j = last;
    for (std::size_t j = first; j < last; ++j)
      if (alone(j, [&](std::size_t k) { return at(k, j); })) exchange(j, first++), j = first - 1;
  }
  /// One round over B; false where no row and column changes by more than a twentieth.
  bool scale() {
    bool changed = false;
    for (std::size_t i = first; i < last; ++i) {
      const double row = row_length(i, first, last), column = column_length(i, first, last);
      if (row == 0 || column == 0) continue;
      const int e = static_cast<int>(std::lround((std::log2(row) - std::log2(column)) / 2));
      if (std::ldexp(column, e) + std::ldexp(row, -e) >= 0.95 * (column + row)) continue;
      for (std::size_t k = 0; k < n; ++k) at(i, k) = times_power(at(i, k), -e);
      for (std::size_t k = 0; k < n; ++k) at(k, i) = times_power(at(k, i), e);
      changed = true;
    }
    return changed;
  }
  void decouple() {
    double rest = 0;  // the longest row of what eigenvalues come from
    for (std::size_t i = 0; i < n; ++i) rest = std::fmax(rest, i >= first && i < last ? row_length(i, first, last) : std::abs(at(i, i)));
    if (rest == 0) return;
    const auto excess = [&](double coupled) { return coupled > rest ? std::ilogb(coupled) - std::ilogb(rest) + 1 : 0; };
    for (std::size_t i = last; i < n; ++i)  // the columns from i on, in the rows before i
      if (const int e = excess(column_length(i, 0, i)); e > 0) bring_down(i, e);
    for (std::size_t i = first; i-- > 0;)  // the rows up to i, in the columns behind i
      if (const int e = excess(row_length(i, i + 1, n)); e > 0) bring_down(i + 1, e);
  }
  /// Divides the columns from `column` on by 2^e, in the rows before it; below them there is nothing.
  void bring_down(std::size_t column, int e) {
    for (std::size_t j = column; j < n; ++j) {
      for (std::size_t i = 0; i < column; ++i) at(i, j) = times_power(at(i, j), -e);
      power[j] -= e;
    }
  }
};

}  // namespace coefdyn::spectrum::detail
