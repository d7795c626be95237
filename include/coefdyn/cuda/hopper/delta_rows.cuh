// SPDX-License-Identifier: MIT
#pragma once

#include "delta_block.cuh"
#include "sweep_rows.cuh"

/// The warpgroups that make y's rows: out = inner (query state') + scores w.
namespace coefdyn::cuda::delta {

/// Scores (row, key), masked and decayed: take(b, four) for the numbers 4 b to 4 b + 3 of a thread. What lies wholly behind a warp's rows
/// is 0.
template <class Take>
__device__ __forceinline__ void weigh_scores(const float (&p)[32], const factors& f, int valid, int warp, int lane, const Take& take) {
  const int row0 = 16 * warp + lane / 4, column0 = 2 * (lane % 4);
  const int last[2] = {row0 < valid ? row0 : -1, row0 + 8 < valid ? row0 + 8 : -1};  // key that a row sees
  const float g[2] = {f.gate[row0], f.gate[row0 + 8]}, rho[2] = {f.rho[row0], f.rho[row0 + 8]};
#pragma unroll
  for (int b = 0; b < 8; ++b) {
    float w[4] = {};
    if (b <= 2 * warp + 1) {
      const float2 gate = *reinterpret_cast<const float2*>(f.gate + 8 * b + column0);
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const float x = p[4 * b + e] * rho[e / 2] * ptx::exp2_fast(g[e / 2] - (e & 1 ? gate.y : gate.x));
        w[e] = 8 * b + column0 + (e & 1) <= last[e / 2] ? x : 0.f;
      }
    }
    take(b, w);
  }
}

/// Rows of every second chunk, from chunk `parity` on; a warpgroup.
template <int n>
__device__ __forceinline__ void make_rows(const block<n, gives::rows> b, int parity, int thread) {
  using L = layout<n, gives::rows>;
  const unit_span& s = b.s;
  const int warp = thread / 32, lane = thread % 32;
  const int chunks = s.chunks(), row0 = 16 * warp + lane / 4, barrier = row_barrier + parity;
  typename tile_pipeline<L::stages>::position slot;
  if (parity) slot.next();
  uint32_t phase = 0;
  for (int c = parity; c < chunks; c += 2, phase ^= 1) {
    const int first = c * chunk, valid = min(chunk, s.count - first);
    const uint32_t stage = b.stage(slot.slot), tile = b.out(parity);
    float p[32], o[32];  // (row, key), (row, value column) fp32
    b.stages().wait_full(slot);
    uint32_t query[n / 4];  // a left operand of two products, read once
#pragma unroll
    for (int k = 0; k < n / 16; ++k)
      ptx::load_blocks(*reinterpret_cast<uint32_t(*)[4]>(query + 4 * k),
                       stage + L::query + (k / 4) * L::narrow + swizzled(16 * warp + (lane & 15), 2 * (k % 4) + (lane >> 4)));
    ptx::pin(query);
    ptx::product_fence();
    hopper::multiply_rows<n, 64>(p, query, stage + L::key, L::narrow);
    b.states().wait_full({parity, phase});
    ptx::product_fence();
    hopper::multiply_rows<n, 64>(o, query, b.state(parity), L::narrow);
    const factors& f = b.numbers(slot.slot);
    ptx::product_wait<1>();
    ptx::pin(p);
    uint32_t scores[16];  // (row, key) as a left operand
    weigh_scores(p, f, valid, warp, lane, [&](int b, const float(&w)[4]) {
      scores[2 * b] = ptx::pack_bf16(w[0], w[1]), scores[2 * b + 1] = ptx::pack_bf16(w[2], w[3]);
    });
    const float inner[2] = {f.inner[row0], f.inner[row0 + 8]};
    ptx::product_wait<0>();
    ptx::pin(o);
    ptx::pin(scores);
#pragma unroll
    for (int e = 0; e < 32; ++e) o[e] *= inner[(e >> 1) & 1];
    __syncwarp();
    if (lane == 0) b.states().release({parity, phase}), b.stages().release(slot);
    b.writes().wait_full({parity, phase});
    ptx::product_fence();
    hopper::accumulate<64, 64>(o, scores, b.written(parity), L::narrow);
    if (thread == 0) ptx::bulk_wait_read<0>();
    ptx::named_sync<128>(barrier);  // the previous tile has left the buffer
    ptx::product_wait<0>();
    ptx::pin(o);
    __syncwarp();
    if (lane == 0) b.writes().release({parity, phase});
    hopper::store_rounded<64>(o, tile, 0, 16 * warp, lane);
    ptx::fence_async_shared();
    ptx::named_sync<128>(barrier);
    sweep::leave_tile(b, parity, first, valid, thread);
    slot.next();
    slot.next();
  }
  if (thread == 0) ptx::bulk_wait<0>();
}

/// Stores what the state's warpgroup leaves of every second chunk, w in two parts or its gradient; a warpgroup.
template <int n, gives what>
__device__ __forceinline__ void store_chunk(const block<n, what> b, int parity, uint32_t phase, int index, int thread) {
  using L = layout<n, what>;
  const unit_span& s = b.s;
  const int first = index * chunk, valid = min(chunk, s.count - first);
  b.writes().wait_full({parity, phase});
#pragma unroll
  for (uint32_t part = 0; part < L::left / L::narrow; ++part) {
    const int slice = b.slice + part * b.size.slices;
    const uint32_t tile = L::written + parity * L::left + part * L::narrow;
    if (b.packed && valid < chunk) sweep::store_rows(b.r, s, b.head, slice, first, valid, b.memory.generic + tile, thread);
    else if (thread == 0) ptx::tensor_store(&b.r.out, b.memory.base + tile, 0, static_cast<int>(s.row) + first, slice, b.head, s.batch);
  }
  if (thread == 0) ptx::bulk_commit(), ptx::bulk_wait_read<0>();
  ptx::named_sync<128>(row_barrier + parity);
  if (thread % 32 == 0) b.writes().release({parity, phase});
}
template <int n>
__device__ __forceinline__ void store_all(const block<n, gives::writes> b, int parity, int thread) {
  uint32_t phase = 0;
  for (int c = parity; c < b.s.chunks(); c += 2, phase ^= 1) store_chunk(b, parity, phase, c, thread);
  if (thread == 0) ptx::bulk_wait<0>();
}

}  // namespace coefdyn::cuda::delta
