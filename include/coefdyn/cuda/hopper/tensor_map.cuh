// SPDX-License-Identifier: MIT
#pragma once

#include <cuda.h>

#include <atomic>
#include <cstdint>

#include "../device.cuh"

/// What the host tells the copy engine and the launcher: tensors, their maps, a kernel's dynamic shared memory.
namespace coefdyn::cuda {

/// Strides in elements of a tensor [batch, time, head, inner] whose inner index is contiguous.
struct tensor {
  void* data = nullptr;
  int64_t batch = 0, time = 0, head = 0;
};

/// Tensor map of a bf16 tensor as (64 columns, time, panels of 64 columns, heads, batch); a box is (64, rows, panels, 1, 1), and
/// lands as `panels` tiles (rows, 64) of 128-byte rows under the 128-byte swizzle.
inline CUtensorMap tensor_map(const tensor& x, int64_t batch, int64_t time, int heads, int inner, int rows, int panels) {
  static const auto encode = [] {
    void* f = nullptr;
    cudaDriverEntryPointQueryResult found;
    checked(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &f, 12000, cudaEnableDefault, &found), "cuTensorMapEncodeTiled");
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(f);
  }();
  CUtensorMap map;
  auto bytes = [](int64_t stride, int64_t extent) { return cuuint64_t(extent > 1 ? stride * 2 : 128); };
  const cuuint64_t extent[5] = {64, cuuint64_t(time), cuuint64_t(inner / 64), cuuint64_t(heads), cuuint64_t(batch)};
  const cuuint64_t stride[4] = {bytes(x.time, time), 128, bytes(x.head, heads), bytes(x.batch, batch)};
  const cuuint32_t box[5] = {64, cuuint32_t(rows), cuuint32_t(panels), 1, 1};
  const cuuint32_t step[5] = {1, 1, 1, 1, 1};
  const CUresult r = encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 5, x.data, extent, stride, box, step, CU_TENSOR_MAP_INTERLEAVE_NONE,
                            CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  checked(r == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue,
          "cuTensorMapEncodeTiled (16-byte aligned base, strides that are multiples of 8 elements, T above 0)");
  return map;
}

/// Lets a kernel use `bytes` of dynamic shared memory, asked for once a device.
template <auto kernel>
void allow_shared(uint32_t bytes) {
  static std::atomic<uint64_t> done{0};
  int device = 0;
  checked(cudaGetDevice(&device), "cudaGetDevice");
  const uint64_t bit = uint64_t(1) << (device & 63);
  if (device < 64 && (done.load(std::memory_order_relaxed) & bit)) return;
  checked(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)), "cudaFuncSetAttribute");
  done.fetch_or(bit, std::memory_order_relaxed);
}

}  // namespace coefdyn::cuda
