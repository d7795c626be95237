// SPDX-License-Identifier: MIT
#pragma once
#include <cuda_runtime.h>

#include <source_location>
#include <stdexcept>
#include <string>

#include "../core/device.hpp"

namespace coefdyn {

/// A CUDA call that failed: what it was, where, and CUDA's own words.
struct cuda_error : std::runtime_error {
  cudaError_t code;
  cuda_error(cudaError_t code_, const std::string& call, const std::source_location& at)
      : std::runtime_error("coefdyn: " + call + " failed: " + cudaGetErrorString(code_) + " (" + at.file_name() + ":" +
                           std::to_string(at.line()) + ")"),
        code(code_) {}
};

namespace device {
/// An NVIDIA GPU: the current one, work queued on `stream`, nothing waited for. Views hold device pointers.
///
/// cu_seqlens  the host's offsets are checked, then travel to the device as kernel arguments (so a capture may hold them). With
///             `trusted` > 0 they are device pointers, not checked and never read on the host; it is the longest sequence's length.
struct cuda {
  static constexpr bool is_device = true;
  cudaStream_t stream = nullptr;
  idx trusted = 0;
};
}  // namespace device

namespace cuda {
/// The one wrapper around CUDA calls.
inline void checked(cudaError_t code, const char* call, const std::source_location& at = std::source_location::current()) {
  if (code != cudaSuccess) COEFDYN_THROW cuda_error(code, call, at);
}

/// Launches on a one-dimensional grid; kernels stride over their items, so any number of items fits.
template <class... Parameter, class... Argument>
void launch(cudaStream_t stream, void (*kernel)(Parameter...), const char* name, idx blocks, int threads, std::size_t shared,
            const Argument&... arguments) {
  if (blocks <= 0) return;
  constexpr idx largest = 0x7fffffff;
  if (shared > 48 * 1024) checked(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(shared)), name);
  kernel<<<static_cast<unsigned>(blocks < largest ? blocks : largest), static_cast<unsigned>(threads), shared, stream>>>(arguments...);
  checked(cudaGetLastError(), name);
}
}  // namespace cuda

}  // namespace coefdyn
