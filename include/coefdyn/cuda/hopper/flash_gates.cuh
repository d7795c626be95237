// SPDX-License-Identifier: MIT
#pragma once

#include "block_scan.cuh"
#include "flash_tile.cuh"

/// The passes over rows beside the tiles' kernels: sums of gates and their gradients, dy . y.
namespace coefdyn::cuda::flash {

/// delta = dy . y, a quarter warp a row.
template <int n>
__global__ void delta_kernel(tensor y, tensor dy, float* delta, int64_t time, int heads, int64_t rows) {
  const int64_t index = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) / 8;  // (batch, time, head)
  if (index >= rows) return;
  const int part = threadIdx.x % 8, head = static_cast<int>(index % heads);
  const int64_t t = index / heads % time, batch = index / heads / time;
  const uint4* a = reinterpret_cast<const uint4*>(static_cast<const bf16*>(y.data) + batch * y.batch + t * y.time + head * y.head);
  const uint4* b = reinterpret_cast<const uint4*>(static_cast<const bf16*>(dy.data) + batch * dy.batch + t * dy.time + head * dy.head);
  float sum = 0.f;
#pragma unroll
  for (int i = 0; i < n / 64; ++i) {
    const uint4 x = a[part + 8 * i], z = b[part + 8 * i];
    const uint32_t xs[4] = {x.x, x.y, x.z, x.w}, zs[4] = {z.x, z.y, z.z, z.w};
#pragma unroll
    for (int e = 0; e < 4; ++e)
      sum += __uint_as_float(xs[e] << 16) * __uint_as_float(zs[e] << 16) +
             __uint_as_float(xs[e] & 0xffff0000u) * __uint_as_float(zs[e] & 0xffff0000u);
  }
#pragma unroll
  for (int s = 4; s; s /= 2) sum += __shfl_xor_sync(~0u, sum, s, 8);
  if (part == 0) delta[(batch * heads + head) * time + t] = sum;
}

/// Inclusive sums of gates in tiles of `width` tokens, base 2; rows past the end repeat the last sum.
template <int width>
__global__ __launch_bounds__(width) void gate_kernel(tensor gate, float* sums, int64_t time, int heads, int tiles,
                                                     sequence_offsets offsets) {
  __shared__ hopper::warp_totals<width> totals;
  const int t = blockIdx.x % tiles, head = blockIdx.x / tiles % heads, batch = blockIdx.x / tiles / heads;
  const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  const hopper::sequence_span s = hopper::sequence_of<width>(offsets, time, t);
  const int64_t row = int64_t(t - s.first) * width + thread;
  float x =
      row < s.length ? static_cast<const float*>(gate.data)[batch * gate.batch + (s.begin + row) * gate.time + head * gate.head] : 0.f;
  x = hopper::sum_so_far(fmaxf(x, -110.f) * log2_e, lane);
  totals.leave(x, warp, lane == 31);
  sums[((int64_t(batch) * heads + head) * tiles + t) * width + thread] = x + totals.add_before(0.f, warp);
}

/// Gradient of the gates: reverse sums of row minus column, tile by tile from the end; one block a head of a sequence.
template <int width>
__global__ __launch_bounds__(width) void gate_gradient_kernel(const float* row, const float* column, tensor d_gate, int64_t time, int heads,
                                                              sequence_offsets offsets) {
  __shared__ hopper::warp_totals<width> totals;
  const int head = blockIdx.x % heads, sequence = blockIdx.x / heads, thread = threadIdx.x, lane = thread % 32;
  const int batch = offsets ? 0 : sequence;
  const int64_t begin = offsets ? offsets[sequence] : 0, length = offsets ? offsets[sequence + 1] - begin : time;
  const int64_t line = (int64_t(batch) * heads + head) * time + begin;
  float* out = static_cast<float*>(d_gate.data) + batch * d_gate.batch + begin * d_gate.time + head * d_gate.head;
  float after = 0.f;
  for (int64_t first = (length - 1) / width * width; first >= 0; first -= width) {
    const int64_t t = first + thread;
    const float x = hopper::sum_from_end(t < length ? row[line + t] - column[line + t] : 0.f, lane);
    totals.leave(x, thread / 32, lane == 0);
    float later, all;
    totals.from_end(thread / 32, later, all);
    if (t < length) out[t * d_gate.time] = x + later + after;
    after += all;
    __syncthreads();
  }
}

}  // namespace coefdyn::cuda::flash
