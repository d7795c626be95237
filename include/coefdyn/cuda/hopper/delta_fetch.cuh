// SPDX-License-Identifier: MIT
#pragma once

#include "delta_block.cuh"
#include "sweep_fetch.cuh"

/// What brings the chunks of a sweep with a correction in: one thread that copies tiles, three warps that read and write numbers.
namespace coefdyn::cuda::delta {

/// Numbers of two tokens a lane as they lie in memory.
struct token_numbers {
  sweep::token_numbers plain;
  float strength[2] = {0.f, 0.f};
};
__device__ __forceinline__ token_numbers load_numbers(const params& p, const unit_span& s, int head, int first, int lane) {
  token_numbers x{sweep::load_numbers(p.r, s, head, first, lane)};
#pragma unroll
  for (int i = 0; i < 2; ++i)
    x.strength[i] = sweep::at(p.strength, s.batch, s.row + min(int64_t(first) + 2 * lane + i, int64_t(s.count) - 1), head);
  return x;
}

/// Sums the chunk's gates and writes its factors; in reverse `given` is inner, and `corrected` has the other sign. Tokens from `valid` on
/// have no gate and no weight.
template <bool reverse>
__device__ __forceinline__ void write_factors(factors& f, const sweep::role& r, const token_numbers& x, int valid, int lane) {
  const int t = 2 * lane;
  float gate[2], given[2], beta[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const bool in = t + i < valid;
    gate[i] = in ? fmaxf(x.plain.gate[i], sweep::gate_floor) * sweep::log2_e : 0.f;
    given[i] = in ? x.plain.kappa[i] * r.kappa_constant : 0.f;
    beta[i] = in ? x.strength[i] : 0.f;
  }
  const float sum = hopper::sum_so_far(gate[0] + gate[1], lane), total = __shfl_sync(~0u, sum, 31), g1 = sum, g0 = sum - gate[1];
  const float start0 = ptx::exp2_fast(g0), start1 = ptx::exp2_fast(g1);
  const float rho0 = x.plain.rho[0] * r.rho_constant, rho1 = x.plain.rho[1] * r.rho_constant;
  auto put = [&](float* to, float a, float b) { *reinterpret_cast<float2*>(to + t) = make_float2(a, b); };
  put(f.gate, g0, g1);
  put(f.rho, rho0, rho1);
  put(f.inner, rho0 * start0, rho1 * start1);
  put(f.outer, ptx::exp2_fast(fminf(total - g0, 0.f)), ptx::exp2_fast(fminf(total - g1, 0.f)));
  if (reverse) given[0] = t < valid ? rho0 * start0 : 0.f, given[1] = t + 1 < valid ? rho1 * start1 : 0.f;
  put(f.given, given[0], given[1]);
  put(f.corrected, (reverse ? -beta[0] : beta[0]) * start0, (reverse ? -beta[1] : beta[1]) * start1);
  if (lane == 0) f.carry = ptx::exp2_fast(total);
}

/// Copies the tiles of every chunk into the ring; one thread.
template <int n, gives what>
__device__ __forceinline__ void copy_in(const block<n, what> b) {
  using L = layout<n, what>;
  const sweep::role& r = b.r;
  const int chunks = b.s.chunks(), batch = b.s.batch;
  const auto stages = b.stages();
  typename tile_pipeline<L::stages>::position slot;
  const int query_head = b.head / r.query_group, key_head = b.head / r.key_group, value_head = b.head / r.value_group;
  for (int c = 0; c < chunks; ++c) {
    const int row = static_cast<int>(b.s.row) + (what == gives::gradient ? chunks - 1 - c : c) * chunk;
    const uint32_t to = b.stage(slot.slot), full = stages.full(slot);
    stages.wait_empty(slot);
    stages.expect(slot, L::stage);
    ptx::tensor_load(to + L::key, &r.key, full, 0, row, 0, key_head, batch);
    ptx::tensor_load(to + L::value, &r.value, full, 0, row, b.slice, value_head, batch);
    ptx::tensor_load(to + L::inverse, &b.p.inverse, full, 0, row, 0, b.head / b.p.inverse_group, batch);
    if constexpr (what != gives::rows) ptx::tensor_load(to + L::rest, &b.p.rest, full, 0, row, 0, b.head / b.p.inverse_group, batch);
    if constexpr (what != gives::writes) ptx::tensor_load(to + L::query, &r.query, full, 0, row, 0, query_head, batch);
    slot.next();
  }
}

/// Writes the numbers of every third chunk, loaded three chunks ahead.
template <int n, gives what>
__device__ __forceinline__ void number_in(const block<n, what> b, int warp, int lane) {
  using L = layout<n, what>;
  const unit_span& s = b.s;
  const int chunks = s.chunks();
  const auto stages = b.stages();
  typename tile_pipeline<L::stages>::position slot;
  for (int i = 0; i < warp; ++i) slot.next();
  const auto first = [&](int c) { return (what == gives::gradient ? chunks - 1 - c : c) * chunk; };
  token_numbers next;
  if (warp < chunks) next = load_numbers(b.p, s, b.head, first(warp), lane);
  for (int c = warp; c < chunks; c += number_warps) {
    const token_numbers now = next;
    if (c + number_warps < chunks) next = load_numbers(b.p, s, b.head, first(c + number_warps), lane);
    stages.wait_empty(slot);
    write_factors<what == gives::gradient>(b.numbers(slot.slot), b.r, now, s.count - first(c), lane);
    __syncwarp();
    if (lane == 0) stages.fill(slot);
    for (int i = 0; i < number_warps; ++i) slot.next();
  }
}

}  // namespace coefdyn::cuda::delta
