// SPDX-License-Identifier: MIT
#pragma once

#include "sweep_fetch.cuh"

/// The pass over rows beside the backward's sweeps.
namespace coefdyn::cuda::sweep {

/// Gate and scaling gradients from row dots and fluxes: inside a block of 256 tokens a reverse sum, seeded by the flux.
struct gate_params {
  sizes size;
  int query_slices, key_slices;  // of the two sweeps' dots
  const float *query_dots, *key_dots, *flux;
  int kappa_group, rho_group;
  tensor kappa, rho;
  float rho_constant;
  tensor d_gate, d_kappa, d_rho;  // fp32 [B, T, heads] or absent
};

/// The rows of a flux block.
struct block_rows {
  int64_t batch, row, count;  // none of a block that is left over
};
template <int width>
__device__ __forceinline__ block_rows rows_of(const sizes& e, int64_t block) {
  if (e.offsets) {
    const hopper::sequence_span s = hopper::sequence_of<width>(e.offsets, static_cast<int>(block));
    const int64_t local = (block - s.first) * width;
    return {0, s.begin + local, min(int64_t(width), s.length - local)};
  }
  const int64_t per = (e.rows + width - 1) / width, row = block % per * width;
  return {block / per, row, min(int64_t(width), e.rows - row)};
}

/// Leaves the gradients of a row's kappa and rho; returns what its dots say of the gates before it.
__device__ __forceinline__ float scaling_gradients(const gate_params& p, int64_t batch, int64_t row, int head) {
  const int64_t all = p.size.batch * p.size.rows, at_row = batch * p.size.rows + row;
  float read = 0.f, write = 0.f;
  for (int i = 0; i < p.query_slices; ++i) read += p.query_dots[(int64_t(i) * p.size.heads + head) * all + at_row];
  for (int i = 0; i < p.key_slices; ++i) write += p.key_dots[(int64_t(i) * p.size.heads + head) * all + at_row];
  const float rho = p.rho.data ? at(p.rho, batch, row, head / p.rho_group) : 1.f;
  const float kappa = p.kappa.data ? at(p.kappa, batch, row, head / p.kappa_group) : 1.f;
  const auto put = [&](const tensor& x, float value) {
    if (x.data) static_cast<float*>(x.data)[batch * x.batch + row * x.time + head * x.head] = value;
  };
  put(p.d_rho, rho == 0.f ? read * p.rho_constant : read / rho);
  put(p.d_kappa, kappa == 0.f ? write : write / kappa);
  return (rho == 0.f ? 0.f : read) - (kappa == 0.f ? 0.f : write);
}

template <int width>
__global__ __launch_bounds__(width) void gate_kernel(const __grid_constant__ gate_params p) {
  __shared__ hopper::warp_totals<width> totals;
  const int64_t blocks = flux_block_count(p.size), block = blockIdx.x / p.size.heads;
  const int head = blockIdx.x % p.size.heads, thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  const block_rows rows = rows_of<width>(p.size, block);
  if (rows.count <= 0) return;
  const int64_t row = rows.row + thread;
  float delta = hopper::sum_from_end(thread < rows.count ? scaling_gradients(p, rows.batch, row, head) : 0.f, lane);
  totals.leave(delta, warp, lane == 0);
  delta = totals.add_behind(delta, warp);
  for (int i = 0; i < p.query_slices; ++i) delta += p.flux[(i * blocks + block) * p.size.heads + head];
  if (thread < rows.count && p.d_gate.data)
    static_cast<float*>(p.d_gate.data)[rows.batch * p.d_gate.batch + row * p.d_gate.time + head * p.d_gate.head] = delta;
}

}  // namespace coefdyn::cuda::sweep
