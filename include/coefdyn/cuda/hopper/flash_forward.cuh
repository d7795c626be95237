// SPDX-License-Identifier: MIT
#pragma once

#include "flash_decay.cuh"

/// y of the parallel form: a block has a tile of queries and goes over keys from the diagonal to the left.
namespace coefdyn::cuda::flash {

struct forward_params : call {
  mapped y;
  float* row_sum;  // (batch, heads, time) or absent: log2 of the sum for exp, else the sum
};

/// Running maximum, sum and rescaling of two rows a thread; absent parts vanish for maps that need no maximum.
template <class phi, normaliser norm>
struct row_weights {
  float top[2] = {-INFINITY, -INFINITY}, sum[2] = {0.f, 0.f}, rescale[2] = {1.f, 1.f};

  /// Scores to weights, in place. Masked scores are -inf for maps with a maximum; otherwise `unmasked` decides.
  template <bool first, class mask>
  __device__ __forceinline__ void weigh(float (&s)[64], float scale, mask&& unmasked) {
    if constexpr (phi::needs_max) {
      const float c = scale * log2_e;
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        float m = top[r];
#pragma unroll
        for (int e = 0; e < 32; ++e) {
          float& x = s[4 * (e / 2) + 2 * r + (e & 1)];
          if constexpr (first) x = unmasked(4 * (e / 2) + 2 * r + (e & 1)) ? x : -INFINITY;
          m = fmaxf(m, x);
        }
        m = max_row(m);
        rescale[r] = first ? 1.f : ptx::exp2_fast((top[r] - m) * c);
        top[r] = m;
        sum[r] *= rescale[r];
        const float shift = m * c;
#pragma unroll
        for (int e = 0; e < 32; ++e) {
          float& x = s[4 * (e / 2) + 2 * r + (e & 1)];
          x = ptx::exp2_fast(fmaf(x, c, -shift));
          sum[r] += x;
        }
      }
    } else {
#pragma unroll
      for (int e = 0; e < 64; ++e) {
        s[e] = phi::apply(s[e] * scale);
        if constexpr (first) s[e] = unmasked(e) ? s[e] : 0.f;
        if constexpr (norm == normaliser::sum) sum[(e >> 1) & 1] += s[e];
      }
    }
  }
};

/// A block's shared memory in bytes: a tile of queries, rings of tiles of keys and values, a key tile's decay factors.
template <int n>
struct forward_layout {
  static constexpr uint32_t panel = tile * hopper::row_bytes, one = panel * (n / 64);
  static constexpr int stages = n == 128 ? 2 : 4;
  static constexpr uint32_t q = 0, k = one, v = k + stages * one, columns = v + stages * one, barriers = columns + stages * tile * 4;
  static constexpr uint32_t dynamic = barriers + 8 + 2 * pipeline<stages>::bytes + hopper::swizzle_atom;
};

/// What a block knows. Handed on by value: what is behind a reference would be read again after each barrier.
template <int n, class chosen>
struct forward_block {
  using L = forward_layout<n>;
  const forward_params& p;
  tile_memory memory;
  place at;
  float* columns;      // (stages, tile): key tiles' decay factors
  const float* gates;  // of the sequence's tiles, where there is a decay

  __device__ __forceinline__ explicit forward_block(const forward_params& p_, unsigned char* raw)
      : p(p_),
        memory(raw),
        at(locate<chosen::packed>(p_, blockIdx.x, true)),
        columns(reinterpret_cast<float*>(memory.generic + L::columns)),
        gates(nullptr) {}
  __device__ __forceinline__ uint32_t q() const { return memory.base + L::q; }
  __device__ __forceinline__ uint32_t k(int slot) const { return memory.base + L::k + slot * L::one; }
  __device__ __forceinline__ uint32_t v(int slot) const { return memory.base + L::v + slot * L::one; }
  __device__ __forceinline__ uint32_t q_full() const { return memory.base + L::barriers; }
  __device__ __forceinline__ pipeline<L::stages> keys() const { return {q_full() + 8}; }
  __device__ __forceinline__ pipeline<L::stages> values() const { return {q_full() + 8 + pipeline<L::stages>::bytes}; }
  __device__ __forceinline__ void init() const {
    ptx::barrier_init(q_full(), 1);
    keys().init(chosen::decay ? 2 : 1, computing_warps);
    values().init(1, computing_warps);
    ptx::barrier_init_fence();
  }
};

/// The copying warp: the queries, then keys and values of each tile.
template <int n, class chosen>
__device__ __forceinline__ void fetch(const forward_block<n, chosen> b, int lane) {
  using L = forward_layout<n>;
  const forward_params& p = b.p;
  const place& at = b.at;
  const int begin = static_cast<int>(at.of.begin), key_head = shared_head(at.head, p.k_share), value_head = shared_head(at.head, p.v_share);
  const pipeline<L::stages> keys = b.keys(), values = b.values();
  if (lane == 0) {
    ptx::barrier_arrive_expect(b.q_full(), L::one);
    ptx::tensor_load(b.q(), &p.q.map, b.q_full(), 0, at.row(), 0, shared_head(at.head, p.q_share), at.batch);
  }
  ring<L::stages> slot;
  for (int j = at.tile; j >= 0; --j) {
    keys.wait_empty(slot);
    if (lane == 0) {
      keys.expect(slot, L::one);
      ptx::tensor_load(b.k(slot.slot), &p.k.map, keys.full(slot), 0, begin + j * tile, 0, key_head, at.batch);
    }
    if constexpr (chosen::decay) {
      write_columns(b.columns + slot.slot * tile, b.gates + j * tile, lane);
      __syncwarp();
      if (lane == 0) keys.fill(slot);
    }
    values.wait_empty(slot);
    if (chosen::packed && at.cut() && j == at.tile) {
      copy_rows<n, tile>(b.v(0), p.v.rows, at.row(), value_head, at.left(0), lane);
      if (lane == 0) values.fill({});
    } else if (lane == 0) {
      values.expect(slot, L::one);
      ptx::tensor_load(b.v(slot.slot), &p.v.map, values.full(slot), 0, begin + j * tile, 0, value_head, at.batch);
    }
    slot.next();
  }
}

/// A computing warpgroup: 64 queries. The two take turns: one's products run under the other's map.
template <int n, class chosen>
struct forward_rows {
  using phi = typename chosen::phi;
  using L = forward_layout<n>;
  static constexpr normaliser norm = chosen::norm;
  static constexpr bool decay = chosen::decay;
  const forward_block<n, chosen> b;
  computing_thread own;
  int row0;               // of the tile
  uint32_t q;             // the warpgroup's rows
  float s[64], o[n / 2];  // (row, key), (row, column) fp32
  uint32_t weights[32];   // (row, key) as a left operand
  row_weights<phi, norm> rows;
  ring<L::stages> slot;
  fading fade;

  __device__ __forceinline__ forward_rows(const forward_block<n, chosen>& block, int group, int lane)
      : b(block),
        own(group, lane),
        row0(64 * own.group + own.row0),
        q(b.q() + own.group * half_panel),
        fade{b.gates ? b.gates + b.at.tile * tile : nullptr, row0, own.column0, {1.f, 1.f}} {
#pragma unroll
    for (int e = 0; e < n / 2; ++e) o[e] = 0.f;
  }
  /// Whether the row of element e of a diagonal tile sees its key.
  __device__ __forceinline__ bool unmasked(int e) const { return 8 * (e / 4) + own.column0 + (e & 1) <= row0 + ((e & 2) ? 8 : 0); }

  /// Weights of the diagonal tile.
  __device__ __forceinline__ void first_weights() {
    if (own.group == 1) ptx::named_arrive<256>(turn_barrier);
    ptx::barrier_wait(b.q_full(), 0);
    b.keys().wait_full({});
    ptx::product_fence();
    multiply_rows<n, 128>(s, q, L::panel, b.k(0), L::panel);
    ptx::product_wait<0>();
    ptx::pin(s);
    if constexpr (decay) fade.apply_diagonal(s, 0, 0, 1.f), fade.leave_diagonal();
    if (own.lane == 0) b.keys().release({});
    rows.template weigh<true>(s, b.p.scale, [&](int e) { return unmasked(e); });
    round_operand<64>(weights, s);
  }
  /// Adds the values of the tile before and makes weights of tile j.
  __device__ __forceinline__ void next_weights(int j) {
    const ring<L::stages> before = slot;
    slot.next();
    b.keys().wait_full(slot);
    ptx::named_sync<256>(turn_barrier + own.group);
    ptx::product_fence();
    multiply_rows<n, 128>(s, q, L::panel, b.k(slot.slot), L::panel);
    b.values().wait_full(before);
    ptx::product_fence();
    accumulate<128, n>(o, weights, b.v(before.slot), L::panel);
    ptx::named_arrive<256>(turn_barrier + 1 - own.group);
    ptx::product_wait<1>();
    ptx::pin(s);
    if constexpr (decay) fade.apply(s, b.columns + slot.slot * tile), fade.pass(b.gates[j * tile + tile - 1]);
    __syncwarp();
    if (own.lane == 0) b.keys().release(slot);
    rows.template weigh<false>(s, b.p.scale, [&](int e) { return unmasked(e); });
    ptx::product_wait<0>();
    ptx::pin(o);
    ptx::pin(weights);
    if (own.lane == 0) b.values().release(before);
    if constexpr (phi::needs_max) {
#pragma unroll
      for (int e = 0; e < n / 2; ++e) o[e] *= rows.rescale[(e >> 1) & 1];
    }
    round_operand<64>(weights, s);
    ptx::pin(weights);
  }
  /// Adds the last values, normalises, leaves y and the sums.
  __device__ __forceinline__ void finish() {
    const place& at = b.at;
    b.values().wait_full(slot);
    ptx::product_fence();
    accumulate<128, n>(o, weights, b.v(slot.slot), L::panel);
    if (own.group == 0) ptx::named_sync<256>(turn_barrier);
    const int64_t line = at.line(b.p);
    float factor[2] = {b.p.constant, b.p.constant};
    if constexpr (norm == normaliser::sum) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const float sum = sum_row(rows.sum[r]);
        factor[r] = sum == 0.f ? 0.f : 1.f / sum;
        const int64_t row = int64_t(at.tile) * tile + row0 + 8 * r;
        if (b.p.row_sum && own.lane % 4 == 0 && row < at.of.length)
          b.p.row_sum[line + row] = phi::needs_max ? rows.top[r] * b.p.scale * log2_e + log2f(sum) : sum;
      }
    }
    ptx::product_wait<0>();
    ptx::pin(o);
#pragma unroll
    for (int e = 0; e < n / 2; ++e) o[e] *= factor[(e >> 1) & 1];
    copy_out<n, chosen::packed>(o, b.q(), b.p.y, at, own);
  }
};

template <int n, class chosen>
__global__ __launch_bounds__(threads, 1) void forward_kernel(const __grid_constant__ forward_params p) {
#if COEFDYN_HOPPER
  extern __shared__ unsigned char raw[];
  constexpr int more = chosen::decay ? 16 : 0;  // registers of the one copying warpgroup, taken from the two that compute
  forward_block<n, chosen> b(p, raw);
  if (chosen::packed && b.at.empty()) return;
  const int group = threadIdx.x / 128, lane = threadIdx.x % 32;
  if (threadIdx.x == 0) b.init();
  __syncthreads();
  if (chosen::decay) b.gates = p.gate + b.at.first_tile(p) * tile;
  if (group == copying_group) {
    ptx::registers_lower<copying_registers + more>();
    if (threadIdx.x < copying_end) fetch(b, lane);
    return;
  }
  ptx::registers_raise<computing_registers - more / 2>();
  forward_rows<n, chosen> w(b, group, lane);
  w.first_weights();
  for (int j = b.at.tile - 1; j >= 0; --j) w.next_weights(j);
  w.finish();
#endif
}

}  // namespace coefdyn::cuda::flash
