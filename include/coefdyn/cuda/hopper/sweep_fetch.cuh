// SPDX-License-Identifier: MIT
#pragma once

#include "block_scan.cuh"
#include "sweep_block.cuh"

/// What brings a sweep's chunks in: one thread that copies tiles, three warps that read and write numbers.
namespace coefdyn::cuda::sweep {

__device__ __forceinline__ float at(const tensor& x, int64_t batch, int64_t row, int head) {
  return static_cast<const float*>(x.data)[batch * x.batch + row * x.time + head * x.head];
}

/// Numbers of two tokens a lane as they lie in memory, loaded well before they are needed; absent ones are 1.
struct token_numbers {
  float gate[2] = {0.f, 0.f}, kappa[2] = {1.f, 1.f}, rho[2] = {1.f, 1.f};
};

__device__ __forceinline__ token_numbers load_numbers(const role& r, const unit_span& s, int head, int first, int lane) {
  token_numbers x;
  const int64_t last = s.count - 1;
  const int64_t row0 = s.row + min(int64_t(first) + 2 * lane, last), row1 = s.row + min(int64_t(first) + 2 * lane + 1, last);
  if (r.gate.data) x.gate[0] = at(r.gate, s.batch, row0, head / r.gate_group), x.gate[1] = at(r.gate, s.batch, row1, head / r.gate_group);
  if (r.kappa.data)
    x.kappa[0] = at(r.kappa, s.batch, row0, head / r.kappa_group), x.kappa[1] = at(r.kappa, s.batch, row1, head / r.kappa_group);
  if (r.rho.data) x.rho[0] = at(r.rho, s.batch, row0, head / r.rho_group), x.rho[1] = at(r.rho, s.batch, row1, head / r.rho_group);
  return x;
}

/// Sums the chunk's gates, writes its factors, returns the chunk's total gate. Tokens from `valid` on have no gate and no weight.
__device__ __forceinline__ float write_factors(factors& f, const role& r, const token_numbers& x, float fixed, int valid, int lane) {
  const int t = 2 * lane;
  const bool in0 = t < valid, in1 = t + 1 < valid;
  const float x0 = in0 ? fmaxf(x.gate[0] + fixed, gate_floor) * log2_e : 0.f,
              x1 = in1 ? fmaxf(x.gate[1] + fixed, gate_floor) * log2_e : 0.f;
  const float sum = hopper::sum_so_far(x0 + x1, lane);
  const float total = __shfl_sync(~0u, sum, 31), g1 = sum, g0 = sum - x1;
  const float kappa0 = in0 ? x.kappa[0] * r.kappa_constant : 0.f, kappa1 = in1 ? x.kappa[1] * r.kappa_constant : 0.f;
  const float rho0 = x.rho[0] * r.rho_constant, rho1 = x.rho[1] * r.rho_constant;
  const float use0 = r.dots && rho0 == 0.f ? 1.f : rho0, use1 = r.dots && rho1 == 0.f ? 1.f : rho1;
  const float start0 = ptx::exp2_fast(g0), start1 = ptx::exp2_fast(g1), end0 = ptx::exp2_fast(fminf(total - g0, 0.f)),
              end1 = ptx::exp2_fast(fminf(total - g1, 0.f));
  auto put = [&](float* to, float a, float b) { *reinterpret_cast<float2*>(to + t) = make_float2(a, b); };
  put(f.gate, g0, g1);
  put(f.kappa, kappa0, kappa1);
  put(f.rho, use0, use1);
  put(f.inner, use0 * (r.reverse ? end0 : start0), use1 * (r.reverse ? end1 : start1));
  put(f.outer, kappa0 * (r.reverse ? start0 : end0), kappa1 * (r.reverse ? start1 : end1));
  put(f.shown, rho0 == 0.f ? 0.f : 1.f, rho1 == 0.f ? 0.f : 1.f);
  if (lane == 0) f.carry = ptx::exp2_fast(total);
  return total;
}

/// Copies the tiles of every chunk into the ring; one thread.
template <int n, bool emit, bool probe>
__device__ __forceinline__ void copy_in(const block<n, emit, probe> b) {
  using L = layout<n, emit, probe>;
  const role& r = b.r;
  const int chunks = b.s.chunks(), batch = b.s.batch;
  const auto stages = b.stages();
  typename tile_pipeline<L::stages>::position slot;
  const uint32_t bytes = L::stage - (probe && !r.dots ? L::narrow : 0);
  const int query_head = b.head / r.query_group, key_head = b.head / r.key_group, value_head = b.head / r.value_group;
  for (int c = 0; c < chunks; ++c) {
    const int row = static_cast<int>(b.s.row) + (r.reverse ? chunks - 1 - c : c) * chunk;
    const uint32_t to = b.stage(slot.slot), full = stages.full(slot);
    stages.wait_empty(slot);
    stages.expect(slot, bytes);
    if constexpr (emit) ptx::tensor_load(to + L::query, &r.query, full, 0, row, 0, query_head, batch);
    ptx::tensor_load(to + L::key, &r.key, full, 0, row, 0, key_head, batch);
    ptx::tensor_load(to + L::value, &r.value, full, 0, row, b.slice, value_head, batch);
    if constexpr (probe)
      if (r.dots) ptx::tensor_load(to + L::test, &r.probe, full, 0, row, b.slice, b.head / r.probe_group, batch);
    slot.next();
  }
}

/// Writes the numbers of every third chunk, loaded three chunks ahead, since one load's latency exceeds a chunk's time.
template <int n, bool emit, bool probe>
__device__ __forceinline__ void number_in(const block<n, emit, probe> b, int warp, int lane) {
  using L = layout<n, emit, probe>;
  const role& r = b.r;
  const unit_span& s = b.s;
  const int chunks = s.chunks();
  const float fixed = r.fixed_gate ? r.fixed_gate[b.head / r.gate_group] : 0.f;
  const auto first = [&](int c) { return (r.reverse ? chunks - 1 - c : c) * chunk; };
  const auto stages = b.stages();
  typename tile_pipeline<L::stages>::position slot;
  for (int i = 0; i < warp; ++i) slot.next();
  token_numbers next;
  if (warp < chunks) next = load_numbers(r, s, b.head, first(warp), lane);
  for (int c = warp; c < chunks; c += number_warps) {
    const token_numbers now = next;
    if (c + number_warps < chunks) next = load_numbers(r, s, b.head, first(c + number_warps), lane);
    stages.wait_empty(slot);
    write_factors(b.numbers(slot.slot), r, now, fixed, s.count - first(c), lane);
    __syncwarp();
    if (lane == 0) stages.fill(slot);
    for (int i = 0; i < number_warps; ++i) slot.next();
  }
}

}  // namespace coefdyn::cuda::sweep
