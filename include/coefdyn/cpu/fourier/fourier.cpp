// SPDX-License-Identifier: MIT
// The Fourier transforms as a library, for every build that sets COEFDYN_FOURIER to 1 (../fourier.hpp).
#undef COEFDYN_FOURIER
#define COEFDYN_FOURIER 1
#include <coefdyn/cpu/fourier.hpp>
#include <coefdyn/cpu/fourier/transforms.hpp>

namespace coefdyn::cpu::detail {
void fourier(idx length, const double* x, complex<double>* out) { transform_by_eigen(length, x, out); }
void fourier_back(idx length, const complex<double>* x, double* out) { transform_back_by_eigen(length, x, out); }
}  // namespace coefdyn::cpu::detail
