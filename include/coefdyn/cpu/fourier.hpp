// SPDX-License-Identifier: MIT
#pragma once
#include "../core/complex.hpp"

/// Discrete Fourier transforms of real numbers, by Eigen's FFT. COEFDYN_FOURIER says where they are. 1, as CMake's coefdyn::convolution and
/// pkg-config's coefdyn-convolution define it: in the library that is linked, compiled once from fourier/fourier.cpp. Else: here, from
/// Eigen's headers.
#if !defined(COEFDYN_FOURIER) || !COEFDYN_FOURIER
#include "fourier/transforms.hpp"
#endif

namespace coefdyn::cpu {

namespace detail {
#if defined(COEFDYN_FOURIER) && COEFDYN_FOURIER
void fourier(idx length, const double* x, complex<double>* out);
void fourier_back(idx length, const complex<double>* x, double* out);
#else
inline void fourier(idx length, const double* x, complex<double>* out) { transform_by_eigen(length, x, out); }
inline void fourier_back(idx length, const complex<double>* x, double* out) { transform_back_by_eigen(length, x, out); }
#endif
}  // namespace detail

/// out_f = sum_t x_t e^(-2 pi i f t / length), f <= length / 2. The tables of a length are made once a thread, and kept.
///
/// shape   x length numbers, out length / 2 + 1
/// range   length even, at least 2
/// error   std::bad_alloc
inline void transform(idx length, const double* x, complex<double>* out) { detail::fourier(length, x, out); }
/// Its inverse.
///
/// shape   x length / 2 + 1, out length numbers
/// range   as transform
/// error   std::bad_alloc
inline void transform_back(idx length, const complex<double>* x, double* out) { detail::fourier_back(length, x, out); }

/// The least length of at least 2 T - 1 numbers, in which a convolution over T tokens meets no number twice, that is a multiple of 4 and
/// otherwise made of 2, 3 and 5, of which the transforms are fast.
///
/// range   T at least 1
constexpr idx transform_length(idx T) {
  for (idx length = (2 * T + 2) / 4 * 4;; length += 4) {
    idx rest = length;
    for (idx factor = 2; factor <= 5; ++factor)
      while (rest % factor == 0) rest /= factor;
    if (rest == 1) return length;
  }
}

}  // namespace coefdyn::cpu
