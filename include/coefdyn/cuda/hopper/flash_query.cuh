// SPDX-License-Identifier: MIT
#pragma once

#include "flash_pair.cuh"

/// dq of the parallel form: a block has a tile of queries, dq += slope k over keys from the diagonal to the left.
namespace coefdyn::cuda::flash {

/// A block's shared memory in bytes: tiles of queries and dy, rings of tiles of keys and values, key tiles' decay factors.
template <int n, bool decay>
struct query_layout {
  static constexpr uint32_t panel = tile * hopper::row_bytes, one = panel * (n / 64);
  static constexpr int k_stages = 3, v_stages = 2;
  static constexpr uint32_t q = 0, dy = one, k = 2 * one, v = k + k_stages * one, columns = v + v_stages * one;
  static constexpr uint32_t barriers = columns + (decay ? k_stages * tile * 4 : 0);
  static constexpr uint32_t dynamic = barriers + 8 + pipeline<k_stages>::bytes + pipeline<v_stages>::bytes + hopper::swizzle_atom;
};

/// What a block knows. Handed on by value: what is behind a reference would be read again after each barrier.
template <int n, class chosen>
struct query_block {
  using L = query_layout<n, chosen::decay>;
  const backward_params& p;
  tile_memory memory;
  place at;
  float* columns;      // (stages, tile): key tiles' decay factors
  const float* gates;  // of the sequence's tiles, where there is a decay

  __device__ __forceinline__ explicit query_block(const backward_params& p_, unsigned char* raw)
      : p(p_),
        memory(raw),
        at(locate<chosen::packed>(p_, blockIdx.x, true)),
        columns(reinterpret_cast<float*>(memory.generic + L::columns)),
        gates(nullptr) {}
  __device__ __forceinline__ uint32_t q() const { return memory.base + L::q; }
  __device__ __forceinline__ uint32_t dy() const { return memory.base + L::dy; }
  __device__ __forceinline__ uint32_t k(int slot) const { return memory.base + L::k + slot * L::one; }
  __device__ __forceinline__ uint32_t v(int slot) const { return memory.base + L::v + slot * L::one; }
  __device__ __forceinline__ uint32_t q_full() const { return memory.base + L::barriers; }  // dy too
  __device__ __forceinline__ pipeline<L::k_stages> keys() const { return {q_full() + 8}; }
  __device__ __forceinline__ pipeline<L::v_stages> values() const { return {q_full() + 8 + pipeline<L::k_stages>::bytes}; }
  __device__ __forceinline__ void init() const {
    ptx::barrier_init(q_full(), 1);
    keys().init(chosen::decay ? 2 : 1, computing_warps);
    values().init(1, computing_warps);
    ptx::barrier_init_fence();
  }
};

/// The copying warp: the queries and dy, then keys and values of each tile.
template <int n, class chosen>
__device__ __forceinline__ void fetch(const query_block<n, chosen> b, int lane) {
  using L = query_layout<n, chosen::decay>;
  const backward_params& p = b.p;
  const place& at = b.at;
  const int begin = static_cast<int>(at.of.begin), key_head = shared_head(at.head, p.k_share), value_head = shared_head(at.head, p.v_share);
  const pipeline<L::k_stages> keys = b.keys();
  const pipeline<L::v_stages> values = b.values();
  if (lane == 0) {
    ptx::barrier_arrive_expect(b.q_full(), 2 * L::one);
    ptx::tensor_load(b.q(), &p.q.map, b.q_full(), 0, at.row(), 0, shared_head(at.head, p.q_share), at.batch);
    ptx::tensor_load(b.dy(), &p.dy.map, b.q_full(), 0, at.row(), 0, at.head, at.batch);
  }
  ring<L::k_stages> slot;
  ring<L::v_stages> v_slot;
  for (int j = at.tile; j >= 0; --j) {
    keys.wait_empty(slot);
    if (chosen::packed && at.cut() && j == at.tile) {
      copy_rows<n, tile>(b.k(0), p.k.rows, at.row(), key_head, at.left(0), lane);
      if (lane == 0) keys.fill({});
    } else if (lane == 0) {
      keys.expect(slot, L::one);
      ptx::tensor_load(b.k(slot.slot), &p.k.map, keys.full(slot), 0, begin + j * tile, 0, key_head, at.batch);
    }
    if constexpr (chosen::decay) {
      write_columns(b.columns + slot.slot * tile, b.gates + j * tile, lane);
      __syncwarp();
      if (lane == 0) keys.fill(slot);
    }
    values.wait_empty(v_slot);
    if (lane == 0) {
      values.expect(v_slot, L::one);
      ptx::tensor_load(b.v(v_slot.slot), &p.v.map, values.full(v_slot), 0, begin + j * tile, 0, value_head, at.batch);
    }
    slot.next();
    v_slot.next();
  }
}

/// A computing warpgroup: 64 queries.
template <int n, class chosen>
struct query_rows {
  using phi = typename chosen::phi;
  using L = query_layout<n, chosen::decay>;
  static constexpr normaliser norm = chosen::norm;
  static constexpr bool decay = chosen::decay;
  const query_block<n, chosen> b;
  computing_thread own;
  int row0;        // of the tile
  uint32_t q, dy;  // the warpgroup's rows
  int64_t line;    // the sequence's in arrays (batch, heads, time)
  pair_gradient<phi, norm> pair;
  float sum[2] = {0.f, 0.f}, delta[2] = {0.f, 0.f};  // of the thread's rows
  float dq[n / 2];                                   // (row, column) fp32
  uint32_t slopes[32];                               // (row, key) as a left operand
  ring<L::k_stages> slot, before;
  ring<L::v_stages> v_slot;
  fading fade;
  float gate_sum[2] = {0.f, 0.f};

  __device__ __forceinline__ query_rows(const query_block<n, chosen>& block, int group, int lane)
      : b(block),
        own(group, lane),
        row0(64 * own.group + own.row0),
        q(b.q() + own.group * half_panel),
        dy(b.dy() + own.group * half_panel),
        line(b.at.line(b.p)),
        pair{b.p.scale, b.p.constant},
        fade{b.gates ? b.gates + b.at.tile * tile : nullptr, row0, own.column0, {1.f, 1.f}} {
#pragma unroll
    for (int r = 0; r < 2; ++r)
      if (norm == normaliser::sum && row(r) < b.at.of.length)
        sum[r] = row_number<phi, norm>(b.p.row_sum[line + row(r)]), delta[r] = b.p.delta[line + row(r)];
#pragma unroll
    for (int e = 0; e < n / 2; ++e) dq[e] = 0.f;
  }
  __device__ __forceinline__ int64_t row(int r) const { return int64_t(b.at.tile) * tile + row0 + 8 * r; }  // of the sequence

  /// dq += slope k for tile j of the keys.
  template <bool diagonal>
  __device__ __forceinline__ void add_tile(int j) {
    float s[64], dp[64];  // (row, key) fp32
    b.keys().wait_full(slot);
    ptx::product_fence();
    multiply_rows<n, 128>(s, q, L::panel, b.k(slot.slot), L::panel);
    ptx::product_wait<1>();  // the previous tile's dq
    ptx::pin(dq);
    ptx::pin(slopes);
    if (!diagonal && own.lane == 0) b.keys().release(before);
    b.values().wait_full(v_slot);
    ptx::product_fence();
    multiply_rows<n, 128>(dp, dy, L::panel, b.v(v_slot.slot), L::panel);
    ptx::product_wait<1>();
    ptx::pin(s);
    if constexpr (decay) {
      if constexpr (diagonal) fade.apply_diagonal(s, 0, 0, 1.f);
      else fade.apply(s, b.columns + slot.slot * tile);
    } else if constexpr (phi::needs_max) {
#pragma unroll
      for (int e = 0; e < 64; ++e) s[e] = pair.weight(s[e], sum[(e >> 1) & 1]);
    }
    ptx::product_wait<0>();
    ptx::pin(dp);
    __syncwarp();
    if (own.lane == 0) b.values().release(v_slot);
    slopes_of_scores<diagonal>(s, dp);
    if constexpr (decay) {
      if constexpr (diagonal) fade.apply_diagonal(dp, 0, 0, 1.f), fade.leave_diagonal();
      else fade.apply(dp, b.columns + slot.slot * tile), fade.pass(b.gates[j * tile + tile - 1]);
    }
    round_operand<64>(slopes, dp);
    ptx::pin(slopes);
    ptx::product_fence();
    accumulate<128, n>(dq, slopes, b.k(slot.slot), L::panel);
    before = slot;
    slot.next();
    v_slot.next();
  }
  /// dp, dy . v of pairs, to the gradients of their scores s (without a decay and with a maximum: of their weights).
  template <bool diagonal>
  __device__ __forceinline__ void slopes_of_scores(const float (&s)[64], float (&dp)[64]) {
#pragma unroll
    for (int e = 0; e < 64; ++e) {
      const int r = (e >> 1) & 1;
      const bool unmasked = !diagonal || 8 * (e / 4) + own.column0 + (e & 1) <= row0 + 8 * r;
      const float weight = decay && phi::needs_max ? pair.weight(s[e], sum[r]) : s[e];
      dp[e] = unmasked ? pair.slope(s[e], weight, sum[r], dp[e], delta[r]) : 0.f;
      if constexpr (decay) gate_sum[r] += dp[e] * s[e];
    }
  }
  __device__ __forceinline__ void finish() {
    if constexpr (decay) write_gate_sums(gate_sum, b.p.scale, b.p.row_gate + line, row(0), b.at.of.length, own.lane);
    ptx::product_wait<0>();
    ptx::pin(dq);
#pragma unroll
    for (int e = 0; e < n / 2; ++e) dq[e] *= b.p.scale;
    copy_out<n, chosen::packed>(dq, b.q(), b.p.dq, b.at, own);
  }
};

template <int n, class chosen>
__global__ __launch_bounds__(threads, 1) void query_kernel(const __grid_constant__ backward_params p) {
#if COEFDYN_HOPPER
  extern __shared__ unsigned char raw[];
  query_block<n, chosen> b(p, raw);
  if (chosen::packed && b.at.empty()) return;
  const int group = threadIdx.x / 128, lane = threadIdx.x % 32;
  if (threadIdx.x == 0) b.init();
  __syncthreads();
  if (chosen::decay) b.gates = p.gate + b.at.first_tile(p) * tile;
  if (group == copying_group) {
    ptx::registers_lower<copying_registers>();
    if (threadIdx.x < copying_end) fetch(b, lane);
    return;
  }
  ptx::registers_raise<computing_registers>();
  query_rows<n, chosen> w(b, group, lane);
  ptx::barrier_wait(b.q_full(), 0);
  w.template add_tile<true>(b.at.tile);
  for (int j = b.at.tile - 1; j >= 0; --j) w.template add_tile<false>(j);  // without masks
  w.finish();
#endif
}

}  // namespace coefdyn::cuda::flash
