// SPDX-License-Identifier: MIT
#include "../../cuda/run.cuh"
#include "../../nn/tape.hpp"

namespace coefdyn::nn {
template <>
inline constexpr bool goes_back<device::cuda> = false;  // in programs with this unit, which only go forward
}
#include "../cuda.cuh"

namespace coefdyn::models::compiled {
std::unique_ptr<language_model> on_gpu(const std::string& path) { return models::open_on_gpu(path); }
}  // namespace coefdyn::models::compiled
