// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <complex>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>

#include "../core/math.hpp"

/// What the solvers of this folder share: how they answer, what they fall back on, what they refuse.
namespace coefdyn::spectrum {

/// How eigenvalues were found: read off (a formula, or deflation); between certain changes of sign; by simultaneous
/// iteration; by the dense solver; or not at all, because one was needed and none was given.
enum class how { read_off, bracketed, simultaneous, dense, unsolved };

/// The path in words.
constexpr const char* name_of(how path) {
  constexpr const char* names[] = {"read off", "bracketed", "simultaneous", "dense", "unsolved"};
  return names[static_cast<int>(path)];
}

/// Eigenvalues of a row-major n x n matrix. `dense_eigenvalues` of dense.hpp is one; passing it by pointer keeps Eigen
/// out of every header but that one.
using dense_solver = void (*)(std::span<const double> matrix, std::size_t n, std::span<std::complex<double>> out);
/// The same of a complex matrix, with the condition numbers of its eigenvalues.
using complex_dense_solver = void (*)(std::span<const std::complex<double>> matrix, std::size_t n, std::span<std::complex<double>> out,
                                      std::span<double> condition);

namespace detail {

inline void expect_size(const char* function, const char* name, std::size_t expected, std::size_t given) {
  if (given == expected) return;
  COEFDYN_THROW std::invalid_argument(std::string(function) + ": " + name + " should have " + std::to_string(expected) +
                                      " entries, but has " + std::to_string(given) + ".");
}

inline void expect_room(const char* function, const char* name, std::size_t needed, std::size_t given) {
  if (given >= needed) return;
  COEFDYN_THROW std::invalid_argument(std::string(function) + ": " + name + " should have at least " + std::to_string(needed) +
                                      " entries, but has " + std::to_string(given) + ".");
}

[[noreturn]] inline void refuse_value(const char* function, const std::string& entry, double value) {
  COEFDYN_THROW std::invalid_argument(std::string(function) + ": " + entry + " should be finite, but is " +
                                      (math::is_nan(value) ? "nan"
                                       : value > 0         ? "inf"
                                                           : "-inf") +
                                      ".");
}

template <class R>
void expect_finite(const char* function, const char* name, const R* values, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    if (!math::is_finite(values[i])) refuse_value(function, std::string(name) + "[" + std::to_string(i) + "]", values[i]);
}

/// The same for rows of `width` entries: the message gives row and column.
inline void expect_finite_rows(const char* function, const char* name, const double* values, std::size_t rows, std::size_t width) {
  for (std::size_t i = 0; i < rows * width; ++i)
    if (!math::is_finite(values[i]))
      refuse_value(function, std::string(name) + "[" + std::to_string(i / width) + ", " + std::to_string(i % width) + "]", values[i]);
}

}  // namespace detail
}  // namespace coefdyn::spectrum
