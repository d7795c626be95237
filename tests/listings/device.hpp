// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/cuda/backward.cuh>
#include <coefdyn/cuda/spectrum.cuh>
#include <coefdyn/mixers/gated_linear.hpp>

/// What listings for a GPU take for granted: views of device memory and a stream.
namespace coefdyn::listing {
using M = mixers::simple_gla;
inline cudaStream_t stream = nullptr;
inline tokens<M> x;
inline view<float, 4> y, dy;
inline gradients<M> g;
inline std::span<std::byte> memory;
inline cuda::kept_forward kept;
inline view<complex<float>, 4> out;
inline spectrum::spectrum_histogram bins;
inline spectrum::histogram_counters counters;
}  // namespace coefdyn::listing
