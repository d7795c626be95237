// SPDX-License-Identifier: MIT
#pragma once

#include "sweep_block.cuh"

/// The warpgroups that make a sweep's rows: out = inner (query state') + scores value.
namespace coefdyn::cuda::sweep {

/// Copies a finished tile out by hand, rows below `valid`.
__device__ __forceinline__ void store_rows(const role& r, const unit_span& s, int head, int slice, int first, int valid,
                                           const unsigned char* tile, int thread) {
  bf16* out = static_cast<bf16*>(r.direct_out.data) + s.batch * r.direct_out.batch + head * r.direct_out.head;
  for (int row = thread / 8; row < valid; row += 16)
    *reinterpret_cast<uint4*>(out + (s.row + first + row) * r.direct_out.time + slice * 64 + (thread % 8) * 8) =
        *reinterpret_cast<const uint4*>(tile + swizzled(row, thread % 8));
}

/// A finished tile of rows goes out: by the copy engine, or by hand where another sequence's rows follow it.
template <class Block>
__device__ __forceinline__ void leave_tile(const Block& b, int parity, int first, int valid, int thread) {
  using L = typename Block::L;
  if (b.packed && valid < chunk) {
    store_rows(b.r, b.s, b.head, b.slice, first, valid, b.memory.generic + L::out + parity * L::narrow, thread);
  } else if (thread == 0) {
    ptx::tensor_store(&b.r.out, b.out(parity), 0, static_cast<int>(b.s.row) + first, b.slice, b.head, b.s.batch);
    ptx::bulk_commit();
  }
}

/// Scores (row, key) to a left operand: masked, decayed, rounded. The same pair has the same bits in the sweeps of dq and dk, so
/// that their row dots cancel in the gate's gradient. A masked pair's decay may overflow; the selection drops it.
template <bool reverse>
__device__ __forceinline__ void weigh_scores(uint32_t (&packed)[16], const float (&p)[32], const factors& f, int valid, int row0,
                                             int column0) {
  const float g[2] = {f.gate[row0], f.gate[row0 + 8]}, rho[2] = {f.rho[row0], f.rho[row0 + 8]};
  const int diagonal = row0 - column0, end = valid - column0;
#pragma unroll
  for (int b = 0; b < 8; ++b) {
    const float2 gate = *reinterpret_cast<const float2*>(f.gate + 8 * b + column0);
    const float2 kappa = *reinterpret_cast<const float2*>(f.kappa + 8 * b + column0);
    float w[4];
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int r = e / 2, at = 8 * b + (e & 1);  // key - column0
      const float gj = e & 1 ? gate.y : gate.x, kj = e & 1 ? kappa.y : kappa.x;
      const bool unmasked = reverse ? at >= diagonal + 8 * r && at < end : at <= diagonal + 8 * r;
      const float x = p[4 * b + e] * (rho[r] * kj) * ptx::exp2_fast(reverse ? gj - g[r] : g[r] - gj);
      w[e] = unmasked ? x : 0.f;
    }
    packed[2 * b] = ptx::pack_bf16(w[0], w[1]);
    packed[2 * b + 1] = ptx::pack_bf16(w[2], w[3]);
  }
}

/// out_i . probe_i over the block's columns.
__device__ __forceinline__ void probe_rows(float (&dot)[2], const float (&o)[32], uint32_t tile, int warp, int lane) {
  dot[0] = dot[1] = 0.f;
#pragma unroll
  for (int b = 0; b < 8; b += 2) {
    uint32_t t[4];  // (row, column) as o: rows and rows + 8 of block b, then of b + 1
    ptx::load_blocks(t, tile + swizzled(16 * warp + (lane & 15), b + (lane >> 4)));
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int at = 4 * (b + e / 2) + 2 * (e & 1);
      dot[e & 1] += o[at] * __uint_as_float(t[e] << 16) + o[at + 1] * __uint_as_float(t[e] & 0xffff0000u);
    }
  }
#pragma unroll
  for (int i = 0; i < 2; ++i) dot[i] = hopper::sum_row(dot[i]);
}

/// Leaves out_i . probe_i of a chunk's rows in `dots`, and zeroes the rows whose rho is 0.
template <int n, bool emit, bool probe>
__device__ __forceinline__ void leave_dots(float (&o)[32], const block<n, emit, probe> b, const factors& f, uint32_t tile, int first,
                                           int valid, int warp, int lane) {
  const sizes& size = b.size;
  const int row0 = 16 * warp + lane / 4;
  float dot[2];
  probe_rows(dot, o, tile, warp, lane);
  float* to =
      b.r.dots + (static_cast<int64_t>(b.slice) * size.heads + b.head) * size.batch * size.rows + b.s.batch * size.rows + b.s.row + first;
  if (lane % 4 == 0 && row0 < valid) to[row0] = dot[0];
  if (lane % 4 == 0 && row0 + 8 < valid) to[row0 + 8] = dot[1];
  const float shown[2] = {f.shown[row0], f.shown[row0 + 8]};
#pragma unroll
  for (int e = 0; e < 32; ++e) o[e] *= shown[(e >> 1) & 1];
}

/// Rows of every second chunk, from chunk `parity` on; a warpgroup.
template <bool reverse, int n, bool emit, bool probe>
__device__ __forceinline__ void make_rows(const block<n, emit, probe> b, int parity, int thread) {
  using L = layout<n, emit, probe>;
  const role& r = b.r;
  const unit_span& s = b.s;
  const int warp = thread / 32, lane = thread % 32;
  const int chunks = s.chunks(), row0 = 16 * warp + lane / 4, column0 = 2 * (lane % 4), barrier = row_barrier + parity;
  typename tile_pipeline<L::stages>::position slot;
  if (parity) slot.next();
  uint32_t phase = 0;
  for (int c = parity; c < chunks; c += 2, phase ^= 1) {
    const int first = (reverse ? chunks - 1 - c : c) * chunk, valid = min(chunk, s.count - first);
    const uint32_t stage = b.stage(slot.slot), tile = b.out(parity);
    const bool shared_tail = b.packed && valid < chunk;
    float p[32], o[32];  // (row, key), (row, value column) fp32
    b.stages().wait_full(slot);
    if (shared_tail) clear_tail(b, slot.slot, valid, thread, barrier);
    ptx::product_fence();
    hopper::multiply_rows<n, 64>(p, stage + L::query, L::narrow, stage + L::key, L::narrow);
    b.states().wait_full({parity, phase});
    ptx::product_fence();
    hopper::multiply_rows<n, 64>(o, stage + L::query, L::narrow, b.state(parity), L::narrow);
    const factors& f = b.numbers(slot.slot);
    ptx::product_wait<1>();
    ptx::pin(p);
    uint32_t scores[16];  // (row, key) as a left operand
    weigh_scores<reverse>(scores, p, f, valid, row0, column0);
    const float inner[2] = {f.inner[row0], f.inner[row0 + 8]};
    ptx::product_wait<0>();
    ptx::pin(o);
    ptx::pin(scores);
    if (lane == 0) b.states().release({parity, phase});
#pragma unroll
    for (int e = 0; e < 32; ++e) o[e] *= inner[(e >> 1) & 1];
    ptx::product_fence();
    hopper::accumulate<64, 64>(o, scores, stage + L::value, L::narrow);
    if (thread == 0) ptx::bulk_wait_read<0>();
    ptx::named_sync<128>(barrier);  // the previous tile has left the buffer
    ptx::product_wait<0>();
    ptx::pin(o);
    if constexpr (probe)
      if (r.dots) leave_dots(o, b, f, stage + L::test, first, valid, warp, lane);
    __syncwarp();
    if (lane == 0) b.stages().release(slot);
    hopper::store_rounded<64>(o, tile, 0, 16 * warp, lane);
    ptx::fence_async_shared();
    ptx::named_sync<128>(barrier);
    leave_tile(b, parity, first, valid, thread);
    slot.next();
    slot.next();
  }
  if (thread == 0) ptx::bulk_wait<0>();
}

}  // namespace coefdyn::cuda::sweep
