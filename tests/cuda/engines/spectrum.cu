// SPDX-License-Identifier: MIT
// eta and eigenvalues.
#include <coefdyn/cuda/spectrum.cuh>

#include "call.cuh"

namespace coefdyn::spectrum {
using mixer_type = mixers::linear_attention_elu1;
template void eigenvalue_histograms(const device::cuda&, const tokens<mixer_type>&, const spectrum_histogram&, const histogram_counters&);
}  // namespace coefdyn::spectrum
