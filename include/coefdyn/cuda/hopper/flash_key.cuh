// SPDX-License-Identifier: MIT
#pragma once

#include "flash_pair.cuh"

/// dk and dv of the parallel form: a block has a tile of keys, dv += weight' dy, dk += slope' q over queries from the diagonal to the
/// end, 64 at a step.
namespace coefdyn::cuda::flash {

inline constexpr int step = 64, steps_of_tile = tile / step;

/// A block's shared memory in bytes: tiles of keys and values, a ring of steps of queries and dy and of their rows' numbers.
template <int n>
struct key_layout {
  static constexpr uint32_t panel = tile * hopper::row_bytes, one = panel * (n / 64);
  static constexpr uint32_t step_panel = step * hopper::row_bytes, part = step_panel * (n / 64);
  static constexpr int stages = n == 128 ? 4 : 6;
  static constexpr uint32_t k = 0, v = one, q = 2 * one, dy = q + stages * part, numbers = dy + stages * part;
  static constexpr uint32_t barriers = numbers + stages * 3 * step * 4;
  static constexpr uint32_t dynamic = barriers + 8 + pipeline<stages>::bytes + hopper::swizzle_atom;
};

/// What a block knows. Handed on by value: what is behind a reference would be read again after each barrier.
template <int n, class chosen>
struct key_block {
  using L = key_layout<n>;
  const backward_params& p;
  tile_memory memory;
  place at;
  float* all_numbers;  // (stages, 3, step): pair_gradient's row numbers, dy . y, decays to the queries
  int first, last;     // steps of queries
  int64_t line;        // the sequence's in arrays (batch, heads, time)
  const float* gates;  // of the sequence's tiles, where there is a decay

  __device__ __forceinline__ explicit key_block(const backward_params& p_, unsigned char* raw)
      : p(p_),
        memory(raw),
        at(locate<chosen::packed>(p_, blockIdx.x, false)),
        all_numbers(reinterpret_cast<float*>(memory.generic + L::numbers)),
        first(0),
        last(0),
        line(0),
        gates(nullptr) {}
  __device__ __forceinline__ uint32_t k() const { return memory.base + L::k; }
  __device__ __forceinline__ uint32_t v() const { return memory.base + L::v; }
  __device__ __forceinline__ uint32_t q(int slot) const { return memory.base + L::q + slot * L::part; }
  __device__ __forceinline__ uint32_t dy(int slot) const { return memory.base + L::dy + slot * L::part; }
  __device__ __forceinline__ float* numbers(int slot) const { return all_numbers + slot * 3 * step; }
  __device__ __forceinline__ uint32_t k_full() const { return memory.base + L::barriers; }  // v too
  __device__ __forceinline__ pipeline<L::stages> steps() const { return {k_full() + 8}; }
  __device__ __forceinline__ void init() const {
    ptx::barrier_init(k_full(), 1);
    steps().init(2, computing_warps);
    ptx::barrier_init_fence();
  }
};

/// Queries and dy of step i into a slot.
template <int n, class chosen>
__device__ __forceinline__ void fetch_rows(const key_block<n, chosen> b, const ring<key_layout<n>::stages> slot, int i, int query_head,
                                           int lane) {
  const backward_params& p = b.p;
  const place& at = b.at;
  const int begin = static_cast<int>(at.of.begin);
  if (chosen::packed && at.left(i * step - at.tile * tile) < step) {
    const int valid = at.left(i * step - at.tile * tile);
    copy_rows<n, step>(b.q(slot.slot), p.q.rows, begin + i * step, query_head, valid, lane);
    copy_rows<n, step>(b.dy(slot.slot), p.dy.rows, begin + i * step, at.head, valid, lane);
    if (lane == 0) b.steps().fill(slot);
  } else if (lane == 0) {
    b.steps().expect(slot, 2 * key_layout<n>::part);
    ptx::tensor_load(b.q(slot.slot), &p.q.map, b.steps().full(slot), 0, begin + i * step, 0, query_head, at.batch);
    ptx::tensor_load(b.dy(slot.slot), &p.dy.map, b.steps().full(slot), 0, begin + i * step, 0, at.head, at.batch);
  }
}

/// The copying warp: the keys and values, then queries, dy and their rows' numbers of each step.
template <int n, class chosen>
__device__ __forceinline__ void fetch(const key_block<n, chosen> b, int lane) {
  using phi = typename chosen::phi;
  constexpr normaliser norm = chosen::norm;
  const backward_params& p = b.p;
  const place& at = b.at;
  const int key_head = shared_head(at.head, p.k_share), value_head = shared_head(at.head, p.v_share);
  const int query_head = shared_head(at.head, p.q_share);
  if (lane == 0) {
    ptx::barrier_arrive_expect(b.k_full(), 2 * key_layout<n>::one);
    ptx::tensor_load(b.k(), &p.k.map, b.k_full(), 0, at.row(), 0, key_head, at.batch);
    ptx::tensor_load(b.v(), &p.v.map, b.k_full(), 0, at.row(), 0, value_head, at.batch);
  }
  ring<key_layout<n>::stages> slot;
  for (int i = b.first; i < b.last; ++i) {
    float sum[2] = {0.f, 0.f}, delta[2] = {0.f, 0.f}, fade[2];
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const int64_t row = int64_t(i) * step + lane + 32 * e;
      if (norm == normaliser::sum && row < at.of.length) sum[e] = p.row_sum[b.line + row], delta[e] = p.delta[b.line + row];
      if constexpr (chosen::decay) fade[e] = b.gates[row];
    }
    b.steps().wait_empty(slot);
    fetch_rows(b, slot, i, query_head, lane);
    float* const numbers = b.numbers(slot.slot);
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      numbers[lane + 32 * e] = row_number<phi, norm>(sum[e]);
      numbers[step + lane + 32 * e] = delta[e];
      if constexpr (chosen::decay) numbers[2 * step + lane + 32 * e] = ptx::exp2_fast(fade[e]);
    }
    __syncwarp();
    if (lane == 0) b.steps().fill(slot);
    slot.next();
  }
}

/// A computing warpgroup: 64 keys.
template <int n, class chosen>
struct key_rows {
  using phi = typename chosen::phi;
  using L = key_layout<n>;
  static constexpr normaliser norm = chosen::norm;
  static constexpr bool decay = chosen::decay;
  const key_block<n, chosen> b;
  computing_thread own;
  uint32_t k, v;  // the warpgroup's rows
  pair_gradient<phi, norm> pair;
  float dk[n / 2], dv[n / 2];        // (key, column) fp32
  uint32_t weights[16], slopes[16];  // (key, query) as left operands
  ring<L::stages> slot, before;
  fading fade;
  float gate_sum[2] = {0.f, 0.f};

  __device__ __forceinline__ key_rows(const key_block<n, chosen>& block, int group, int lane)
      : b(block),
        own(group, lane),
        k(b.k() + own.group * half_panel),
        v(b.v() + own.group * half_panel),
        pair{b.p.scale, b.p.constant},
        fade{b.gates ? b.gates + b.at.tile * tile : nullptr, own.row0, own.column0, {1.f, 1.f}} {
#pragma unroll
    for (int e = 0; e < n / 2; ++e) dk[e] = dv[e] = 0.f;
    if constexpr (decay) {
#pragma unroll
      for (int r = 0; r < 2; ++r) fade.near[r] = ptx::exp2_fast(fade.diagonal[tile - 1] - fade.diagonal[64 * own.group + own.row0 + 8 * r]);
    }
  }

  /// Whether the query of element e sees its key; `diagonal`: queries and keys are the same 64 tokens.
  __device__ __forceinline__ bool unmasked(int e, bool diagonal) const {
    return !diagonal || 8 * (e / 4) + own.column0 + (e & 1) >= own.row0 + ((e & 2) ? 8 : 0);
  }
  /// Pairs (key, query) of step i fade; `near`: in the same tile.
  template <bool near>
  __device__ __forceinline__ void apply_decay(float (&s)[32], const float* factors, int i) const {
    if constexpr (near) fade.apply_diagonal(s, 64 * own.group, i % steps_of_tile * step, -1.f);
    else fade.apply(s, factors);
  }
  /// Normalised weights of pairs from their scores.
  __device__ __forceinline__ void weigh(float (&w)[32], const float (&s)[32], const float* sums, bool diagonal) const {
#pragma unroll
    for (int b = 0; b < 8; ++b) {
      const float2 sum = *reinterpret_cast<const float2*>(sums + 8 * b + own.column0);
#pragma unroll
      for (int e = 4 * b; e < 4 * b + 4; ++e) {
        const float x = pair.weight(s[e], e & 1 ? sum.y : sum.x);
        w[e] = unmasked(e, diagonal) ? x : 0.f;
      }
    }
  }
  /// dp, dy . v of pairs, to the gradients of their scores s; w: their weights.
  __device__ __forceinline__ void slopes_of_scores(const float (&s)[32], const float (&w)[32], float (&dp)[32], const float* sums,
                                                   const float* deltas, bool diagonal) {
#pragma unroll
    for (int b = 0; b < 8; ++b) {
      const float2 sum = *reinterpret_cast<const float2*>(sums + 8 * b + own.column0);
      const float2 delta = *reinterpret_cast<const float2*>(deltas + 8 * b + own.column0);
#pragma unroll
      for (int e = 4 * b; e < 4 * b + 4; ++e) {
        const float saved = e & 1 ? sum.y : sum.x, weight = decay && phi::needs_max ? pair.weight(s[e], saved) : w[e];
        const float x = pair.slope(s[e], weight, saved, dp[e], e & 1 ? delta.y : delta.x);
        dp[e] = unmasked(e, diagonal) ? x : 0.f;
        if constexpr (decay) gate_sum[(e >> 1) & 1] += dp[e] * s[e];
      }
    }
  }

  /// Adds step i. With a decay the step knows whether it is the diagonal one, and whether it lies in the same tile (`near`).
  template <bool known_diagonal, bool near>
  __device__ __forceinline__ void add_step(int i) {
    const bool diagonal = decay ? known_diagonal : i == b.first + own.group;
    b.steps().wait_full(slot);
    const uint32_t q = b.q(slot.slot), dy = b.dy(slot.slot);
    float s[32], dp[32];  // (key, query) fp32
    ptx::product_fence();
    multiply_rows<n, 64>(s, k, L::panel, q, L::step_panel);
    ptx::product_wait<1>();  // the previous step's dv and dk
    ptx::pin(dk);
    ptx::pin(dv);
    ptx::pin(weights);
    ptx::pin(slopes);
    if (!diagonal && own.lane == 0) b.steps().release(before);
    ptx::product_fence();
    multiply_rows<n, 64>(dp, v, L::panel, dy, L::step_panel);
    const float* sums = b.numbers(slot.slot);
    ptx::product_wait<1>();
    ptx::pin(s);
    if constexpr (decay) apply_decay<near>(s, sums + 2 * step, i);
    float w[32];
    weigh(w, s, sums, diagonal);
    round_operand<32>(weights, w);
    ptx::pin(weights);
    ptx::product_fence();
    accumulate<64, n>(dv, weights, dy, L::step_panel);
    ptx::product_wait<1>();
    ptx::pin(dp);
    slopes_of_scores(s, w, dp, sums, sums + step, diagonal);
    if constexpr (decay) apply_decay<near>(dp, sums + 2 * step, i);
    round_operand<32>(slopes, dp);
    ptx::pin(slopes);
    ptx::product_fence();
    accumulate<64, n>(dk, slopes, q, L::step_panel);
    before = slot;
    slot.next();
  }

  /// All steps.
  __device__ __forceinline__ void add_steps() {
    int i = b.first;
    if (own.group == 1) {  // the first step's queries come before this warpgroup's keys
      b.steps().wait_full(slot);
      if (own.lane == 0) b.steps().release(slot);
      slot.next();
      ++i;
    }
    if constexpr (decay) {
      if (i < b.last) add_step<true, true>(i++);
      if (own.group == 0 && i < b.last) add_step<false, true>(i++);
    }
    for (; i < b.last; ++i) {
      if constexpr (decay) {
        const int query_tile = i / steps_of_tile;
        const bool moves = query_tile > b.at.tile + 1 && i % steps_of_tile == 0;
        fade.pass(moves ? b.gates[(query_tile - 1) * tile + tile - 1] : 0.f);
      }
      add_step<false, false>(i);
    }
  }
  __device__ __forceinline__ void finish() {
    ptx::product_wait<0>();
    ptx::pin(dk);
    ptx::pin(dv);
#pragma unroll
    for (int e = 0; e < n / 2; ++e) dk[e] *= b.p.scale;
    const int row = b.at.tile * tile + 64 * own.group;
    if constexpr (decay) write_gate_sums(gate_sum, b.p.scale, b.p.column_gate + b.line, row + own.row0, b.at.of.length, own.lane);
    copy_out<n, chosen::packed>(dk, b.k(), b.p.dk, b.at, own);
    copy_out<n, chosen::packed>(dv, b.v(), b.p.dv, b.at, own);
  }
};

template <int n, class chosen>
__global__ __launch_bounds__(threads, 1) void key_kernel(const __grid_constant__ backward_params p) {
#if COEFDYN_HOPPER
  extern __shared__ unsigned char raw[];
  key_block<n, chosen> b(p, raw);
  if (chosen::packed && b.at.empty()) return;
  b.first = b.at.tile * steps_of_tile, b.last = static_cast<int>((b.at.of.length + step - 1) / step);
  const int group = threadIdx.x / 128, lane = threadIdx.x % 32;
  if (threadIdx.x == 0) b.init();
  __syncthreads();
  b.line = b.at.line(p);
  if (chosen::decay) b.gates = p.gate + b.at.first_tile(p) * tile;
  if (group == copying_group) {
    ptx::registers_lower<copying_registers>();
    if (threadIdx.x < copying_end) fetch(b, lane);
    return;
  }
  ptx::registers_raise<computing_registers>();
  key_rows<n, chosen> w(b, group, lane);
  ptx::barrier_wait(b.k_full(), 0);
  w.add_steps();
  w.finish();
#endif
}

}  // namespace coefdyn::cuda::flash
