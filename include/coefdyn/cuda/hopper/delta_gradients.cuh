// SPDX-License-Identifier: MIT
#pragma once

#include "sweep_fetch.cuh"

/// The pass over rows that ends a delta rule's gradients: dv, and the gradients of numbers.
namespace coefdyn::cuda::delta {

/// Numbers of rows over a slice of n, fp32 (slices, B T, heads), or absent: q . dq beside r; k . dk for what k reads, beside -beta;
/// gradients of gates.
struct row_sums {
  float *read = nullptr, *correct = nullptr, *gate = nullptr;
};

/// Tensors bf16 [B, T, heads, d]; v has heads / value_group of them.
struct finish_params {
  int d, heads, value_group, slices;
  int64_t time, rows;  // tokens of a batch row; rows of all heads
  tensor dx, v, written;
  row_sums sums;
  tensor read_factor, scaling, strength;  // r and b, absent or fp32; beta
  float write_scale;                      // constant factor of b
  tensor dv, d_gate, d_read_factor, d_scaling, d_strength;
};
/// Eight neighbouring numbers.
struct eight {
  float x[8];
  static __device__ __forceinline__ bf16* place(const tensor& t, int64_t batch, int64_t time, int64_t head, int at) {
    return static_cast<bf16*>(t.data) + batch * t.batch + time * t.time + head * t.head + at;
  }
  __device__ __forceinline__ explicit eight(const void* p) {
    const uint4 w = *static_cast<const uint4*>(p);
    const uint32_t word[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) x[2 * i] = __uint_as_float(word[i] << 16), x[2 * i + 1] = __uint_as_float(word[i] & 0xffff0000u);
  }
  __device__ __forceinline__ void store(bf16* p) const {
    *reinterpret_cast<uint4*>(p) =
        make_uint4(ptx::pack_bf16(x[0], x[1]), ptx::pack_bf16(x[2], x[3]), ptx::pack_bf16(x[4], x[5]), ptx::pack_bf16(x[6], x[7]));
  }
};
/// Whether d beta = -dx . (what k reads) is taken from what was written, (dx . w - b dx . v) / beta: exact where b is beta and keys are
/// alike, since the parts then cancel. Where b is another number they don't, and a dot with a part of dk is: 0 where nothing is read.
__device__ __forceinline__ bool from_writes(float b, float beta) { return beta != 0.f && b == beta; }

/// dv = b dx, db = dx . v, and the sums over slices; half a warp has a row. Where beta or r is 0 its sums took 1 for it.
static __global__ void __launch_bounds__(256) finish_kernel(const __grid_constant__ finish_params p) {
  const int64_t row = min((int64_t(blockIdx.x) * blockDim.x + threadIdx.x) / 16, p.rows - 1);
  const int lane = threadIdx.x % 16, at = lane * 8;
  const int64_t head = row % p.heads, token = row / p.heads, batch = token / p.time, time = token % p.time;
  const auto number = [&](const tensor& x) { return x.data ? sweep::at(x, batch, time, int(head)) : 1.f; };
  const auto sum = [&](const float* x) {
    float all = 0.f;
    for (int i = 0; x && i < p.slices; ++i) all += x[i * p.rows + row];
    return all;
  };
  const float b = p.write_scale * number(p.scaling);
  float with_v = 0.f, with_w = 0.f;
  if (at < p.d) {
    eight dx(eight::place(p.dx, batch, time, head, at));
    const eight v(eight::place(p.v, batch, time, head / p.value_group, at)), w(eight::place(p.written, batch, time, head, at));
#pragma unroll
    for (int i = 0; i < 8; ++i) with_v += dx.x[i] * v.x[i], with_w += dx.x[i] * w.x[i], dx.x[i] *= b;
    dx.store(eight::place(p.dv, batch, time, head, at));
  }
#pragma unroll
  for (int step = 8; step; step /= 2) with_v += __shfl_xor_sync(~0u, with_v, step), with_w += __shfl_xor_sync(~0u, with_w, step);
  const auto put = [&](const tensor& x, float value) {
    if (x.data) static_cast<float*>(x.data)[batch * x.batch + time * x.time + head * x.head] = value;
  };
  if (lane) return;
  const float beta = number(p.strength), read = number(p.read_factor), correct = sum(p.sums.correct);
  put(p.d_scaling, with_v * p.write_scale);
  put(p.d_strength, from_writes(b, beta) ? (with_w - b * with_v) / beta : beta == 0.f ? correct : correct / beta);
  put(p.d_read_factor, read == 0.f ? sum(p.sums.read) : sum(p.sums.read) / read);
  put(p.d_gate, sum(p.sums.gate));
}

}  // namespace coefdyn::cuda::delta
