// SPDX-License-Identifier: MIT
#pragma once
#include <complex>
#include <unsupported/Eigen/FFT>

#include "../../core/complex.hpp"

/// What `transform` does, by Eigen's FFT (kissfft): only fourier.cpp includes this, or, in a build without that library, ../fourier.hpp.
namespace coefdyn::cpu {

/// A thread's transforms, which keep the tables of the lengths that they have met.
inline Eigen::FFT<double>& transforms_of_thread() {
  thread_local Eigen::FFT<double> kept(Eigen::default_fft_impl<double>(), Eigen::FFT<double>::HalfSpectrum);
  return kept;
}
/// `transform` of ../fourier.hpp.
inline void transform_by_eigen(idx length, const double* x, complex<double>* out) {
  transforms_of_thread().fwd(reinterpret_cast<std::complex<double>*>(out), x, length);
}
/// `transform_back` of ../fourier.hpp.
inline void transform_back_by_eigen(idx length, const complex<double>* x, double* out) {
  transforms_of_thread().inv(out, reinterpret_cast<const std::complex<double>*>(x), length);
}

}  // namespace coefdyn::cpu
