// SPDX-License-Identifier: MIT
// Scalar-decay family in one pass over time, state on chip, forward and backward. Above 300 lines: one kernel serves the four
// sweeps (y, dq, dk, dv), and its steps stay together.
#pragma once

#include <algorithm>

#include "ptx.cuh"
#include "tensor_map.cuh"

namespace coefdyn::cuda {

/// One sweep computes, for every row i, out_i = rho_i sum_j exp(decay between i and j) (query_i . key_j) kappa_j value_j,
/// over j <= i, or over j >= i in reverse. The four products of the family differ only in who plays which part:
///   y   query q,  key k,  value v           dq  query dy, key v, value k
///   dv  query k,  key q,  value dy, reverse  dk  query v,  key dy, value q, reverse
/// A block owns 64 of the value's columns; its state (64, n) stays in registers in fp32.
namespace sweep {

inline constexpr int chunk = 64;
inline constexpr int flux_chunks = 4;  // gate gradients restart from the flux every 256 tokens
inline constexpr float log2_e = 1.4426950408889634f;
inline constexpr float gate_floor = -110.f;  // exp of it is 0 in fp32; keeps sums of gates in a chunk exact enough

/// Who plays which part, and where the numbers of a token are. Strides are in elements.
struct role {
  CUtensorMap query, key, value, probe, out;             // boxes (64, n), (64, n), (64, 64), (64, 64), (64, 64)
  int query_group, key_group, value_group, probe_group;  // heads that share one
  int gate_group, kappa_group, rho_group;
  tensor gate, kappa, rho;  // fp32 [B, T, H] or absent
  const float* fixed_gate;  // (heads) or absent
  float kappa_constant, rho_constant;
  tensor direct_out;      // the same tensor as `out`, for tails inside packed sequences
  const float* state_in;  // (owners, heads, n, d) or absent
  float* state_out;
  int64_t state_size, state_row, state_column;  // n d, and the strides of the block's rows and columns in it
  bool in_per_unit, out_per_unit, reverse;
  float* carry_total;     // (units, heads): product of a unit's decays
  float* dots;            // (slices, heads, rows): out_i . probe_i over the slice, rho = 1 where it is 0
  uint4* checkpoint_out;  // states in bf16 at the ends of flux blocks, in fragment order
  uint4* checkpoint_in;
  float* flux;  // (slices, blocks, heads): <state, checkpoint>
};

/// Extents shared by all roles; offsets describe packed sequences when present.
struct extents {
  int64_t rows;  // tokens of one batch row; all tokens when packed
  int batch, heads, slices;
  int sequences;  // batch, or the number of packed sequences
  int64_t unit;   // tokens of a unit, a multiple of 256
  int units;      // of one sequence; at most, in all, when packed
  const void* offsets;
  bool wide_offsets;
};

struct params {
  role part[2];  // neighbouring blocks, so that streams the parts share are read once
  int parts;
  bool entering;  // only what enters a unit is wanted, so that a sequence's last unit of a summary is left out
  extents size;
};

/// Where a unit of a sequence lies.
struct span {
  int sequence, batch, unit, block0;
  int64_t row, length;  // first token in the tensor's rows; tokens of the sequence
  int64_t first;        // first token within the sequence
  int count;
};

__host__ __device__ inline int64_t flux_block_count(const extents& e) {
  const int64_t width = chunk * flux_chunks;
  return e.offsets ? e.rows / width + e.sequences + 1 : (e.rows + width - 1) / width * e.batch;
}

__device__ inline int64_t offset_at(const extents& e, int i) {
  return e.wide_offsets ? static_cast<const int64_t*>(e.offsets)[i] : static_cast<const int32_t*>(e.offsets)[i];
}

/// False past the last unit.
__device__ inline bool locate(const extents& e, int unit, span& s) {
  constexpr int width = chunk * flux_chunks;
  s.unit = unit;
  if (!e.offsets) {
    s.sequence = s.batch = unit / e.units;
    s.first = s.row = static_cast<int64_t>(unit % e.units) * e.unit;
    s.length = e.rows;
    s.count = static_cast<int>(min(e.unit, e.rows - s.first));
    s.block0 = static_cast<int>(s.sequence * ((e.rows + width - 1) / width) + s.first / width);
    return s.sequence < e.batch;
  }
  s.batch = 0;
  int before = 0;
  for (int i = 0; i < e.sequences; ++i) {
    const int64_t begin = offset_at(e, i), length = offset_at(e, i + 1) - begin;
    const int here = max(1, static_cast<int>((length + e.unit - 1) / e.unit));
    if (unit < before + here) {
      s.sequence = i;
      s.first = static_cast<int64_t>(unit - before) * e.unit;
      s.row = begin + s.first;
      s.length = length;
      s.count = static_cast<int>(min(e.unit, length - s.first));
      s.block0 = static_cast<int>(begin / width + i + s.first / width);
      return true;
    }
    before += here;
  }
  return false;
}

/// Numbers of a chunk's tokens.
struct factors {
  float gate[chunk];  // inclusive sums of gates, base 2
  float kappa[chunk];
  float rho[chunk];    // 1 where it is 0 and probed, so that its own gradient exists
  float inner[chunk];  // rho times the row's decay to the carried state
  float outer[chunk];  // kappa times the token's decay to the next state
  float shown[chunk];  // 0 where rho is 0, else 1
  float carry;         // the carried state's decay
  float unused[15];
};

template <int n, bool emit, bool probe>
struct layout {
  static constexpr uint32_t wide = chunk * n * 2, narrow = chunk * 64 * 2;
  static constexpr uint32_t query = 0, key = query + (emit ? wide : 0), value = key + wide, test = value + narrow;
  static constexpr uint32_t stage = test + (probe ? narrow : 0);
  static constexpr int stages = n == 128 ? (emit ? (probe ? 3 : 4) : 8) : (emit ? 5 : 8);
  static constexpr uint32_t state = stage * stages, out = state + (emit ? 2 * wide : 0);  // rounded states; finished rows
  static constexpr uint32_t numbers = out + (emit ? 2 * narrow : 0);
  static constexpr uint32_t partial = numbers + stages * sizeof(factors);
  static constexpr uint32_t barriers = partial + 16;
  static constexpr uint32_t bytes = barriers + (2 * stages + 4) * 8;
  static constexpr uint32_t dynamic = bytes + 1024;  // room to align to a swizzle atom
};

inline constexpr int threads = 512;  // warpgroups: the state, even chunks' rows, odd chunks' rows, copies and numbers

/// Byte offset in a (rows, 64) tile of the 16-byte block `block` of `row`.
__device__ __forceinline__ uint32_t swizzled(uint32_t row, uint32_t block) { return row * 128 + ((block ^ (row & 7)) << 4); }

__device__ __forceinline__ float at(const tensor& x, int64_t batch, int64_t row, int head) {
  return static_cast<const float*>(x.data)[batch * x.batch + row * x.time + head * x.head];
}

/// Numbers of two tokens a lane as they lie in memory, loaded well before they are needed; absent ones are 1.
struct token_numbers {
  float gate[2] = {0.f, 0.f}, kappa[2] = {1.f, 1.f}, rho[2] = {1.f, 1.f};
};

__device__ __forceinline__ token_numbers load_numbers(const role& r, const span& s, int head, int first, int lane) {
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
  float sum = x0 + x1;
#pragma unroll
  for (int step = 1; step < 32; step *= 2) {
    const float other = __shfl_up_sync(~0u, sum, step);
    if (lane >= step) sum += other;
  }
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

/// Two bf16 times two floats.
__device__ __forceinline__ uint32_t scaled(uint32_t x, float2 w) {
  return ptx::pack_bf16(__uint_as_float(x << 16) * w.x, __uint_as_float(x & 0xffff0000u) * w.y);
}

/// Shared-memory addresses of a block.
template <int n, bool emit, bool probe>
struct memory {
  using L = layout<n, emit, probe>;
  uint32_t base;
  unsigned char* generic;
  __device__ uint32_t stage(int s) const { return base + s * L::stage; }
  __device__ uint32_t state(int s) const { return base + L::state + s * L::wide; }
  __device__ uint32_t out(int s) const { return base + L::out + s * L::narrow; }
  __device__ uint32_t full(int s) const { return base + L::barriers + 8 * s; }
  __device__ uint32_t empty(int s) const { return full(L::stages + s); }
  __device__ uint32_t state_full(int s) const { return full(2 * L::stages + s); }
  __device__ uint32_t state_empty(int s) const { return full(2 * L::stages + 2 + s); }
  __device__ factors& numbers(int s) const { return reinterpret_cast<factors*>(generic + L::numbers)[s]; }
  __device__ float* partial() const { return reinterpret_cast<float*>(generic + L::partial); }
};

/// A position in a ring of `size` slots.
template <int size>
struct ring {
  int slot = 0;
  uint32_t phase = 0;
  __device__ void next() {
    if (++slot == size) slot = 0, phase ^= 1;
  }
};

/// Copies the tiles of every chunk into the ring; one thread.
template <int n, bool emit, bool probe>
__device__ void copy_in(const role& r, const memory<n, emit, probe>& m, const span& s, int head, int slice) {
  using L = layout<n, emit, probe>;
  const int chunks = (s.count + chunk - 1) / chunk;
  ring<L::stages> at_slot;
  const uint32_t bytes = L::stage - (probe && !r.dots ? L::narrow : 0);
  const int query_head = head / r.query_group, key_head = head / r.key_group, value_head = head / r.value_group;
  for (int c = 0; c < chunks; ++c) {
    const int row = static_cast<int>(s.row) + (r.reverse ? chunks - 1 - c : c) * chunk;
    const uint32_t to = m.stage(at_slot.slot), full = m.full(at_slot.slot);
    ptx::barrier_wait(m.empty(at_slot.slot), at_slot.phase ^ 1);
    ptx::barrier_arrive_expect(full, bytes);
    if constexpr (emit) ptx::tensor_load(to + L::query, &r.query, full, 0, row, 0, query_head, s.batch);
    ptx::tensor_load(to + L::key, &r.key, full, 0, row, 0, key_head, s.batch);
    ptx::tensor_load(to + L::value, &r.value, full, 0, row, slice, value_head, s.batch);
    if constexpr (probe)
      if (r.dots) ptx::tensor_load(to + L::test, &r.probe, full, 0, row, slice, head / r.probe_group, s.batch);
    at_slot.next();
  }
}

inline constexpr int number_warps = 3;

/// Writes the numbers of every third chunk, loaded three chunks ahead, since one load's latency exceeds a chunk's time.
template <int n, bool emit, bool probe>
__device__ void number_in(const role& r, const memory<n, emit, probe>& m, const span& s, int head, int warp, int lane) {
  using L = layout<n, emit, probe>;
  const int chunks = (s.count + chunk - 1) / chunk;
  const float fixed = r.fixed_gate ? r.fixed_gate[head / r.gate_group] : 0.f;
  auto first = [&](int c) { return (r.reverse ? chunks - 1 - c : c) * chunk; };
  ring<L::stages> at_slot;
  for (int i = 0; i < warp; ++i) at_slot.next();
  token_numbers next;
  if (warp < chunks) next = load_numbers(r, s, head, first(warp), lane);
  for (int c = warp; c < chunks; c += number_warps) {
    const token_numbers now = next;
    if (c + number_warps < chunks) next = load_numbers(r, s, head, first(c + number_warps), lane);
    ptx::barrier_wait(m.empty(at_slot.slot), at_slot.phase ^ 1);
    write_factors(m.numbers(at_slot.slot), r, now, fixed, s.count - first(c), lane);
    __syncwarp();
    if (lane == 0) ptx::barrier_arrive(m.full(at_slot.slot));
    for (int i = 0; i < number_warps; ++i) at_slot.next();
  }
}

/// Zeroes the rows past `valid` of the key and value tiles; they hold another sequence's tokens. Each reading warpgroup does so
/// for itself.
template <int n, bool emit, bool probe>
__device__ void clear_tail(const memory<n, emit, probe>& m, int slot, int valid, int thread, int barrier) {
  using L = layout<n, emit, probe>;
  unsigned char* tile = m.generic + slot * L::stage;
  for (int row = valid + thread / 8; row < chunk; row += 16) {
    const uint32_t at = row * 128 + (thread % 8) * 16;
#pragma unroll
    for (int panel = 0; panel < n / 64; ++panel) *reinterpret_cast<uint4*>(tile + L::key + panel * L::narrow + at) = uint4{};
    *reinterpret_cast<uint4*>(tile + L::value + at) = uint4{};
  }
  ptx::fence_async_shared();
  ptx::named_sync<128>(barrier);
}

/// Copies a finished tile out by hand, rows below `valid`.
__device__ __forceinline__ void store_rows(const role& r, const span& s, int head, int slice, int first, int valid,
                                           const unsigned char* tile, int thread) {
  bf16* out = static_cast<bf16*>(r.direct_out.data) + s.batch * r.direct_out.batch + head * r.direct_out.head;
  for (int row = thread / 8; row < valid; row += 16)
    *reinterpret_cast<uint4*>(out + (s.row + first + row) * r.direct_out.time + slice * 64 + (thread % 8) * 8) =
        *reinterpret_cast<const uint4*>(tile + swizzled(row, thread % 8));
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
      const bool seen = reverse ? at >= diagonal + 8 * r && at < end : at <= diagonal + 8 * r;
      const float x = p[4 * b + e] * (rho[r] * kj) * ptx::exp2_fast(reverse ? gj - g[r] : g[r] - gj);
      w[e] = seen ? x : 0.f;
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
  for (int i = 0; i < 2; ++i) {
    dot[i] += __shfl_xor_sync(~0u, dot[i], 1);
    dot[i] += __shfl_xor_sync(~0u, dot[i], 2);
  }
}

/// Rows of every second chunk: out = inner (query state') + scores value.
template <bool reverse, int n, bool emit, bool probe>
__device__ void make_rows(const role& r, const memory<n, emit, probe>& m, const extents& size, const span& s, int head, int slice,
                          int parity, int thread) {
  using L = layout<n, emit, probe>;
  const int warp = thread / 32, lane = thread % 32;
  const int chunks = (s.count + chunk - 1) / chunk, row0 = 16 * warp + lane / 4, column0 = 2 * (lane % 4), barrier = 2 + parity;
  ring<L::stages> at_slot;
  if (parity) at_slot.next();
  uint32_t phase = 0;
  for (int c = parity; c < chunks; c += 2, phase ^= 1) {
    const int first = (reverse ? chunks - 1 - c : c) * chunk, valid = min(chunk, s.count - first);
    const uint32_t stage = m.stage(at_slot.slot), tile = m.out(parity);
    const bool shared_tail = size.offsets && valid < chunk;
    float p[32], o[32];  // (row, key), (row, value column) fp32
    ptx::barrier_wait(m.full(at_slot.slot), at_slot.phase);
    if (shared_tail) clear_tail(m, at_slot.slot, valid, thread, barrier);
    ptx::product_fence();
#pragma unroll
    for (int k = 0; k < n / 16; ++k) {
      const uint32_t at = (k / 4) * L::narrow + (k % 4) * 32;
      ptx::product<ptx::major::inner, ptx::major::inner>(p, ptx::tile_descriptor(stage + L::query + at, L::narrow),
                                                         ptx::tile_descriptor(stage + L::key + at, L::narrow), k > 0);
    }
    ptx::product_commit();
    ptx::barrier_wait(m.state_full(parity), phase);
    ptx::product_fence();
#pragma unroll
    for (int k = 0; k < n / 16; ++k) {
      const uint32_t at = (k / 4) * L::narrow + (k % 4) * 32;
      ptx::product<ptx::major::inner, ptx::major::inner>(o, ptx::tile_descriptor(stage + L::query + at, L::narrow),
                                                         ptx::tile_descriptor(m.state(parity) + at, L::narrow), k > 0);
    }
    ptx::product_commit();
    const factors& f = m.numbers(at_slot.slot);
    ptx::product_wait<1>();
    ptx::pin(p);
    uint32_t scores[16];  // (row, key) as a left operand
    weigh_scores<reverse>(scores, p, f, valid, row0, column0);
    const float inner[2] = {f.inner[row0], f.inner[row0 + 8]};
    ptx::product_wait<0>();
    ptx::pin(o);
    ptx::pin(scores);
    if (lane == 0) ptx::barrier_arrive(m.state_empty(parity));
#pragma unroll
    for (int e = 0; e < 32; ++e) o[e] *= inner[(e >> 1) & 1];
    ptx::product_fence();
#pragma unroll
    for (int k = 0; k < 4; ++k)
      ptx::product<ptx::major::outer>(o, scores + 4 * k, ptx::tile_descriptor(stage + L::value + k * 2048, L::narrow), true);
    ptx::product_commit();
    if (thread == 0) ptx::bulk_wait_read<0>();
    ptx::named_sync<128>(barrier);  // the previous tile has left the buffer
    ptx::product_wait<0>();
    ptx::pin(o);
    if constexpr (probe)
      if (r.dots) {
        float dot[2];
        probe_rows(dot, o, stage + L::test, warp, lane);
        float* to =
            r.dots + (static_cast<int64_t>(slice) * size.heads + head) * size.batch * size.rows + s.batch * size.rows + s.row + first;
        if (lane % 4 == 0 && row0 < valid) to[row0] = dot[0];
        if (lane % 4 == 0 && row0 + 8 < valid) to[row0 + 8] = dot[1];
        const float shown[2] = {f.shown[row0], f.shown[row0 + 8]};
#pragma unroll
        for (int e = 0; e < 32; ++e) o[e] *= shown[(e >> 1) & 1];
      }
    __syncwarp();
    if (lane == 0) ptx::barrier_arrive(m.empty(at_slot.slot));
#pragma unroll
    for (int b = 0; b < 8; b += 2)
      ptx::store_blocks(tile + swizzled(16 * warp + (lane & 15), b + (lane >> 4)), ptx::pack_bf16(o[4 * b], o[4 * b + 1]),
                        ptx::pack_bf16(o[4 * b + 2], o[4 * b + 3]), ptx::pack_bf16(o[4 * b + 4], o[4 * b + 5]),
                        ptx::pack_bf16(o[4 * b + 6], o[4 * b + 7]));
    ptx::fence_async_shared();
    ptx::named_sync<128>(barrier);
    if (shared_tail) {
      store_rows(r, s, head, slice, first, valid, m.generic + L::out + parity * L::narrow, thread);
    } else if (thread == 0) {
      ptx::tensor_store(&r.out, tile, 0, static_cast<int>(s.row) + first, slice, head, s.batch);
      ptx::bulk_commit();
    }
    at_slot.next();
    at_slot.next();
  }
  if (thread == 0) ptx::bulk_wait<0>();
}

/// Element (row, column) of the block's state for register e of a thread.
template <int n, class F>
__device__ __forceinline__ void each_state_element(int warp, int lane, F&& f) {
#pragma unroll
  for (int e = 0; e < n / 2; ++e) f(e, 16 * warp + lane / 4 + ((e & 2) ? 8 : 0), 8 * (e / 4) + 2 * (lane % 4) + (e & 1));
}

/// Adds <state, checkpoint> of the block into flux.
template <int n>
__device__ __forceinline__ void add_flux(const float (&state)[n / 2], const uint4* from, float* to, float* partial, int thread) {
  float sum = 0.f;
#pragma unroll
  for (int b = 0; b < n / 16; ++b) {
    const uint4 x = from[b * 128 + thread];
    const uint32_t word[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
    for (int e = 0; e < 4; ++e)
      sum += state[8 * b + 2 * e] * __uint_as_float(word[e] << 16) + state[8 * b + 2 * e + 1] * __uint_as_float(word[e] & 0xffff0000u);
  }
#pragma unroll
  for (int step = 16; step; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
  if (thread % 32 == 0) partial[thread / 32] = sum;
  ptx::named_sync<128>(1);
  if (thread == 0) *to = partial[0] + partial[1] + partial[2] + partial[3];
  ptx::named_sync<128>(1);
}

/// Leaves a rounded copy of the state for the chunk's rows, as (value column, key column).
template <int n>
__device__ __forceinline__ void hand_over(const float (&state)[n / 2], uint32_t to, int warp, int lane) {
#pragma unroll
  for (int b = 0; b < n / 8; b += 2)
    ptx::store_blocks(to + (b / 8) * (chunk * 128) + swizzled(16 * warp + (lane & 15), b % 8 + (lane >> 4)),
                      ptx::pack_bf16(state[4 * b], state[4 * b + 1]), ptx::pack_bf16(state[4 * b + 2], state[4 * b + 3]),
                      ptx::pack_bf16(state[4 * b + 4], state[4 * b + 5]), ptx::pack_bf16(state[4 * b + 6], state[4 * b + 7]));
  ptx::fence_async_shared();
}

/// Writes a rounded copy of the state in fragment order.
template <int n>
__device__ __forceinline__ void keep_checkpoint(const float (&state)[n / 2], uint4* to) {
#pragma unroll
  for (int b = 0; b < n / 16; ++b)
    to[b * 128] = make_uint4(ptx::pack_bf16(state[8 * b], state[8 * b + 1]), ptx::pack_bf16(state[8 * b + 2], state[8 * b + 3]),
                             ptx::pack_bf16(state[8 * b + 4], state[8 * b + 5]), ptx::pack_bf16(state[8 * b + 6], state[8 * b + 7]));
}

/// The state's warpgroup: state = carry state + (outer value)' key, chunk by chunk.
template <int n, bool emit, bool probe>
__device__ void carry_state(const role& r, const memory<n, emit, probe>& m, const extents& size, const span& s, int head, int slice,
                            int thread) {
  using L = layout<n, emit, probe>;
  const int warp = thread / 32, lane = thread % 32, chunks = (s.count + chunk - 1) / chunk, column0 = 2 * (lane % 4);
  float state[n / 2], unit_carry = 1.f;  // (value column, key column) fp32
  const int64_t in_owner = static_cast<int64_t>(r.in_per_unit ? s.unit : s.sequence) * size.heads + head;
  const int64_t start = r.reverse ? max(int64_t(0), (s.length - 1) / size.unit * size.unit) : 0;
  const bool takes = r.state_in && (r.in_per_unit || s.first == start);
  each_state_element<n>(warp, lane, [&](int e, int row, int column) {
    state[e] = takes ? r.state_in[in_owner * r.state_size + (slice * 64 + row) * r.state_row + column * r.state_column] : 0.f;
  });
  ring<L::stages> at_slot;
  ring<2> at_state;
  const uint32_t fragment_row = (lane & 7) + ((lane & 16) >> 1), fragment_block = 2 * warp + ((lane >> 3) & 1);
  for (int c = 0; c < chunks; ++c) {
    const int index = r.reverse ? chunks - 1 - c : c, valid = min(chunk, s.count - index * chunk);
    const bool block_end = index % flux_chunks == flux_chunks - 1 || index == chunks - 1;
    const int64_t block = static_cast<int64_t>(s.block0 + index / flux_chunks) * size.heads + head;
    const uint32_t stage = m.stage(at_slot.slot);
    if constexpr (emit) {
      ptx::barrier_wait(m.state_empty(at_state.slot), at_state.phase ^ 1);
      hand_over<n>(state, m.state(at_state.slot), warp, lane);
      __syncwarp();
      if (lane == 0) ptx::barrier_arrive(m.state_full(at_state.slot));
      at_state.next();
    }
    if constexpr (probe)
      if (r.checkpoint_in && block_end)
        add_flux<n>(state, r.checkpoint_in + (block * size.slices + slice) * (n / 16 * 128),
                    r.flux + slice * flux_block_count(size) * size.heads + block, m.partial(), thread);
    ptx::barrier_wait(m.full(at_slot.slot), at_slot.phase);
    if (size.offsets && valid < chunk) clear_tail(m, at_slot.slot, valid, thread, 1);
    const factors& f = m.numbers(at_slot.slot);
    uint32_t faded[16];  // the values as left operands (value column, key)
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      uint32_t t[4];
      ptx::load_blocks_transposed(t, stage + L::value + swizzled(16 * k + fragment_row, fragment_block));
      const float2 lo = *reinterpret_cast<const float2*>(f.outer + 16 * k + column0);
      const float2 hi = *reinterpret_cast<const float2*>(f.outer + 16 * k + 8 + column0);
#pragma unroll
      for (int e = 0; e < 4; ++e) faded[4 * k + e] = scaled(t[e], e < 2 ? lo : hi);
    }
    const float carry = f.carry;
    unit_carry *= carry;
#pragma unroll
    for (int e = 0; e < n / 2; ++e) state[e] *= carry;
    ptx::product_fence();
#pragma unroll
    for (int k = 0; k < 4; ++k)
      ptx::product<ptx::major::outer>(state, faded + 4 * k, ptx::tile_descriptor(stage + L::key + k * 2048, L::narrow), true);
    ptx::product_commit();
    ptx::product_wait<0>();
    ptx::pin(state);
    __syncwarp();
    if (lane == 0) ptx::barrier_arrive(m.empty(at_slot.slot));
    at_slot.next();
    if constexpr (probe)
      if (r.checkpoint_out && block_end)
        keep_checkpoint<n>(state, r.checkpoint_out + (block * size.slices + slice) * (n / 16 * 128) + thread);
  }
  const bool gives = r.state_out && (r.out_per_unit || (r.reverse ? s.first == 0 : s.first + s.count >= s.length));
  const int64_t out_owner = static_cast<int64_t>(r.out_per_unit ? s.unit : s.sequence) * size.heads + head;
  if (gives)
    each_state_element<n>(warp, lane, [&](int e, int row, int column) {
      r.state_out[out_owner * r.state_size + (slice * 64 + row) * r.state_row + column * r.state_column] = state[e];
    });
  if (r.carry_total && thread == 0 && slice == 0) r.carry_total[static_cast<int64_t>(s.unit) * size.heads + head] = unit_carry;
}

template <int n, bool emit, bool probe, bool reverse>
__global__ __launch_bounds__(threads, 1) void sweep_kernel(const __grid_constant__ params p) {
#if COEFDYN_HOPPER
  using L = layout<n, emit, probe>;
  extern __shared__ unsigned char raw[];
  memory<n, emit, probe> m;
  m.base = (ptx::shared_address(raw) + 1023u) & ~1023u;
  m.generic = raw + (m.base - ptx::shared_address(raw));
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, slices = p.size.slices;
  const int slice = blockIdx.x % slices, task = blockIdx.x / slices / p.parts, head = task % p.size.heads;
  const role& r = p.part[blockIdx.x / slices % p.parts];
  span s;
  if (!locate(p.size, task / p.size.heads, s)) return;
  if (!emit && p.entering && (reverse ? s.first == 0 : s.first + s.count >= s.length)) return;
  if (threadIdx.x == 0) {
    for (int i = 0; i < L::stages; ++i) {
      ptx::barrier_init(m.full(i), 2);
      ptx::barrier_init(m.empty(i), emit ? 8 : 4);
    }
    for (int i = 0; i < 2; ++i) {
      ptx::barrier_init(m.state_full(i), 4);
      ptx::barrier_init(m.state_empty(i), 4);
    }
    ptx::barrier_init_fence();
  }
  __syncthreads();
  if (warp < 4) {
    ptx::registers_raise<152>();
    carry_state(r, m, p.size, s, head, slice, threadIdx.x);
  } else if (warp < 12) {
    ptx::registers_raise<144>();
    if constexpr (emit) make_rows<reverse>(r, m, p.size, s, head, slice, warp / 4 - 1, threadIdx.x % 128);
  } else {
    ptx::registers_lower<56>();
    if (threadIdx.x == 384) copy_in(r, m, s, head, slice);
    if (warp > 12) number_in(r, m, s, head, warp - 13, lane);
  }
#endif
}

/// `n` columns of query and key.
template <int n, bool emit, bool probe, bool reverse>
void launch(const params& p, cudaStream_t stream) {
  using L = layout<n, emit, probe>;
  constexpr auto kernel = sweep_kernel<n, emit, probe, reverse>;
  allow_shared<sweep_kernel<n, emit, probe, reverse>>(L::dynamic);
  const int64_t units = p.size.offsets ? p.size.units : static_cast<int64_t>(p.size.units) * p.size.batch;
  const int64_t grid = units * p.size.heads * p.parts * p.size.slices;
  if (grid == 0) return;
  kernel<<<static_cast<unsigned>(grid), threads, L::dynamic, stream>>>(p);
  checked(cudaGetLastError(), "sweep");
}

/// Gate and scaling gradients from row dots and fluxes: inside a block of 256 tokens a reverse sum, seeded by the flux.
struct gate_params {
  extents size;
  int query_slices, key_slices;  // of the two sweeps' dots
  const float *query_dots, *key_dots, *flux;
  int kappa_group, rho_group;
  tensor kappa, rho;
  float rho_constant;
  tensor d_gate, d_kappa, d_rho;  // fp32 [B, T, heads] or absent
};

template <int width>
__global__ __launch_bounds__(width) void gate_kernel(const __grid_constant__ gate_params p) {
  __shared__ float totals[width / 32];
  const int64_t blocks = flux_block_count(p.size);
  const int64_t block = blockIdx.x / p.size.heads;
  const int head = blockIdx.x % p.size.heads, thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  int64_t batch = 0, row = 0, count = 0;
  if (!p.size.offsets) {
    const int64_t per = (p.size.rows + width - 1) / width;
    batch = block / per, row = block % per * width, count = min(int64_t(width), p.size.rows - row);
  } else {
    for (int i = 0; i < p.size.sequences; ++i) {
      const int64_t begin = offset_at(p.size, i), length = offset_at(p.size, i + 1) - begin;
      const int64_t local = (block - (begin / width + i)) * width;
      if (local >= 0 && local < length) row = begin + local, count = min(int64_t(width), length - local);
    }
  }
  if (count <= 0) return;
  float delta = 0.f;
  if (thread < count) {
    const int64_t all = p.size.batch * p.size.rows, at_row = batch * p.size.rows + row + thread;
    float read = 0.f, write = 0.f;
    for (int i = 0; i < p.query_slices; ++i) read += p.query_dots[(int64_t(i) * p.size.heads + head) * all + at_row];
    for (int i = 0; i < p.key_slices; ++i) write += p.key_dots[(int64_t(i) * p.size.heads + head) * all + at_row];
    const float rho = p.rho.data ? at(p.rho, batch, row + thread, head / p.rho_group) : 1.f;
    const float kappa = p.kappa.data ? at(p.kappa, batch, row + thread, head / p.kappa_group) : 1.f;
    auto put = [&](const tensor& x, float value) {
      if (x.data) static_cast<float*>(x.data)[batch * x.batch + (row + thread) * x.time + head * x.head] = value;
    };
    put(p.d_rho, rho == 0.f ? read * p.rho_constant : read / rho);
    put(p.d_kappa, kappa == 0.f ? write : write / kappa);
    delta = (rho == 0.f ? 0.f : read) - (kappa == 0.f ? 0.f : write);
  }
#pragma unroll
  for (int step = 1; step < 32; step *= 2) {
    const float other = __shfl_down_sync(~0u, delta, step);
    if (lane + step < 32) delta += other;
  }
  if (lane == 0) totals[warp] = delta;
  __syncthreads();
  for (int i = width / 32 - 1; i > warp; --i) delta += totals[i];
  for (int i = 0; i < p.query_slices; ++i) delta += p.flux[(i * blocks + block) * p.size.heads + head];
  if (thread < count && p.d_gate.data)
    static_cast<float*>(p.d_gate.data)[batch * p.d_gate.batch + (row + thread) * p.d_gate.time + head * p.d_gate.head] = delta;
}

}  // namespace sweep
/// Extents of a call. Packed sequences: batch is 1, time the number of all tokens, offsets has sequences + 1 entries.
struct sweep_shape {
  int batch = 1;
  int64_t time = 0;
  int heads = 0;                  // processed heads; streams may have fewer, see the groups
  const void* offsets = nullptr;  // int32, or int64 if wide_offsets, on the device
  bool wide_offsets = false;
  int sequences = 0;
};

/// Processed head h reads head h / group of each stream.
struct sweep_inputs {
  tensor q, k, v;  // bf16 [B, T, heads / group, n | n | d]
  int q_group = 1, k_group = 1, v_group = 1;
  tensor log_decay;                        // fp32 [B, T, heads / gate_group], <= 0, or absent
  const float* fixed_log_decay = nullptr;  // fp32 (heads / gate_group), or absent
  int gate_group = 1;
  tensor scaling;  // b, fp32 [B, T, heads / scaling_group], or absent
  int scaling_group = 1;
  tensor read_factor;  // multiplies y's rows, fp32 [B, T, heads / read_group], or absent
  int read_group = 1;
  float write_scale = 1.f;       // multiplies the written values, beside `scaling`
  float scale = 1.f;             // multiplies y, beside `read_factor`
  const float* state = nullptr;  // fp32 (batch or sequences, heads, n, d), or absent
};

/// Gradients; the bf16 ones have one head per processed head, so shared streams are summed by the caller.
struct sweep_gradients {
  tensor dy;                                     // in, bf16 [B, T, heads, d]
  tensor dq, dk, dv;                             // bf16 [B, T, heads, n | n | d]
  const float* d_state_out = nullptr;            // in, gradient of the final state, or absent
  float* d_state = nullptr;                      // gradient of the initial state, or absent
  tensor d_log_decay, d_scaling, d_read_factor;  // fp32 [B, T, heads], or absent
};

namespace sweep {

inline extents make_extents(const sweep_shape& s, int width, int64_t unit) {
  extents e{};
  const int64_t longest = std::max<int64_t>(s.time, 1);
  e.rows = s.time, e.batch = s.batch, e.heads = s.heads, e.slices = width / 64;
  e.sequences = s.offsets ? s.sequences : s.batch;
  e.unit = unit ? unit : (longest + 255) / 256 * 256;
  e.units = static_cast<int>(s.offsets ? s.time / e.unit + s.sequences : (longest + e.unit - 1) / e.unit);
  e.offsets = s.offsets, e.wide_offsets = s.wide_offsets;
  return e;
}

/// Units in all: bound of the first extent of per-unit arrays.
inline int64_t unit_count(const extents& e) { return e.offsets ? e.units : int64_t(e.units) * e.batch; }

struct tile_source {
  tensor x;
  int inner, group;
};

/// Parts and tiles of a sweep.
inline role make_role(const sweep_shape& s, tile_source query, tile_source key, tile_source value, const tensor& out, bool reverse) {
  role r{};
  auto map = [&](const tile_source& t, int panels) { return tensor_map(t.x, s.batch, s.time, s.heads / t.group, t.inner, chunk, panels); };
  if (query.x.data) r.query = map(query, query.inner / 64);
  r.key = map(key, key.inner / 64);
  r.value = map(value, 1);
  if (out.data) r.out = map({out, value.inner, 1}, 1);
  r.query_group = query.group, r.key_group = key.group, r.value_group = value.group;
  r.direct_out = out, r.reverse = reverse;
  return r;
}

/// Numbers of tokens: kappa belongs to the summed side, rho to the rows.
inline void set_numbers(role& r, const sweep_inputs& x, bool reverse) {
  r.gate = x.log_decay, r.fixed_gate = x.fixed_log_decay, r.gate_group = x.gate_group;
  r.kappa = reverse ? x.read_factor : x.scaling, r.kappa_group = reverse ? x.read_group : x.scaling_group;
  r.rho = reverse ? x.scaling : x.read_factor, r.rho_group = reverse ? x.scaling_group : x.read_group;
  r.kappa_constant = reverse ? x.scale : x.write_scale, r.rho_constant = reverse ? x.write_scale : x.scale;
}

/// States are (n, d) in memory; `transposed` if the block's rows run along n.
template <int n, int d>
void set_state(role& r, bool transposed, const float* in, float* out) {
  r.state_in = in, r.state_out = out, r.state_size = n * d;
  r.state_row = transposed ? d : 1, r.state_column = transposed ? 1 : d;
}

template <int n, int d>
role forward_role(const sweep_shape& s, const sweep_inputs& x, const tensor& y) {
  role r = make_role(s, {x.q, n, x.q_group}, {x.k, n, x.k_group}, {x.v, d, x.v_group}, y, false);
  set_numbers(r, x, false);
  return r;
}

/// Pieces of the backward's workspace.
struct backward_layout {
  int64_t dots, flux, checkpoints, bytes;  // offsets in bytes of (2, slices, heads, rows), (slices, blocks, heads), states
};

template <int n, int d>
backward_layout backward_workspace(const sweep_shape& s) {
  const extents e = make_extents(s, n, 0);
  auto up = [](int64_t x) { return (x + 255) / 256 * 256; };
  backward_layout w{};
  w.flux = up(2 * int64_t(e.slices) * s.heads * s.batch * s.time * 4);
  w.checkpoints = w.flux + up(int64_t(e.slices) * flux_block_count(e) * s.heads * 4);
  w.bytes = w.checkpoints + flux_block_count(e) * s.heads * int64_t(n) * d * 2;
  return w;
}

/// States at the starts of units, if the sequence is cut; see segments.cuh.
struct carried {
  const float *forward = nullptr, *reverse = nullptr;
};

/// `probe`: whether gradients of numbers may be asked for.
template <int n, int d, bool probe>
void backward(const sweep_shape& s, const sweep_inputs& x, const sweep_gradients& g, int64_t unit, carried states, void* workspace,
              cudaStream_t stream) {
  const backward_layout w = backward_workspace<n, d>(s);
  char* const at = static_cast<char*>(workspace);
  const bool gates = probe && (g.d_log_decay.data || g.d_scaling.data || g.d_read_factor.data);
  const tile_source q{x.q, n, x.q_group}, k{x.k, n, x.k_group}, v{x.v, d, x.v_group}, dy{g.dy, d, 1};
  params p{};
  p.size = make_extents(s, n, unit), p.parts = 1;
  const int64_t dots = int64_t(p.size.slices) * s.heads * s.batch * s.time;
  auto finish = [&](role r, bool reverse, bool transposed, const tile_source* tested) {
    set_numbers(r, x, reverse);
    const float* cut = reverse ? states.reverse : states.forward;
    set_state<n, d>(r, transposed, cut ? cut : reverse ? g.d_state_out : x.state, reverse && transposed ? g.d_state : nullptr);
    r.in_per_unit = cut != nullptr;
    if (!tested) return r;
    r.probe = tensor_map(tested->x, s.batch, s.time, s.heads / tested->group, n, chunk, 1), r.probe_group = tested->group;
    r.dots = reinterpret_cast<float*>(at) + (reverse ? dots : 0);
    (reverse ? r.checkpoint_in : r.checkpoint_out) = reinterpret_cast<uint4*>(at + w.checkpoints);
    r.flux = reinterpret_cast<float*>(at + w.flux);
    return r;
  };
  p.part[0] = finish(make_role(s, dy, v, k, g.dq, false), false, true, gates ? &q : nullptr);
  launch<d, true, probe, false>(p, stream);
  const role dv = finish(make_role(s, k, q, dy, g.dv, true), true, false, nullptr);
  p.part[0] = finish(make_role(s, v, dy, q, g.dk, true), true, true, gates ? &k : nullptr);
  if (n == d) p.part[1] = dv, p.parts = 2;
  launch<d, true, probe, true>(p, stream);
  if constexpr (n != d) {
    p.size = make_extents(s, d, unit), p.part[0] = dv;
    launch<n, true, probe, true>(p, stream);
  }
  if constexpr (probe) {
    if (!gates) return;
    gate_params t{};
    t.size = make_extents(s, n, unit);
    t.query_slices = t.key_slices = n / 64;
    t.query_dots = reinterpret_cast<const float*>(at), t.key_dots = t.query_dots + dots;
    t.flux = reinterpret_cast<const float*>(at + w.flux);
    t.kappa = x.scaling, t.kappa_group = x.scaling_group;
    t.rho = x.read_factor, t.rho_group = x.read_group, t.rho_constant = x.scale;
    t.d_gate = g.d_log_decay, t.d_kappa = g.d_scaling, t.d_rho = g.d_read_factor;
    const int64_t blocks = flux_block_count(t.size) * s.heads;
    gate_kernel<chunk * flux_chunks><<<static_cast<unsigned>(blocks), chunk * flux_chunks, 0, stream>>>(t);
    checked(cudaGetLastError(), "sweep");
  }
}

/// dq alone, as `backward` gives it, with x.k for the keys that are added up: what bf16 loses of k and of dq is then relative to
/// x.k. `states`: x.k's, (sequences, or units where `unit` cuts them; heads, n, d), or absent.
template <int n, int d>
void query_gradient(const sweep_shape& s, const sweep_inputs& x, const tensor& dy, const tensor& dq, int64_t unit, const float* states,
                    cudaStream_t stream) {
  params p{};
  p.size = make_extents(s, n, unit), p.parts = 1;
  role& r = p.part[0];
  r = make_role(s, {dy, d, 1}, {x.v, d, x.v_group}, {x.k, n, x.k_group}, dq, false);
  set_numbers(r, x, false);
  set_state<n, d>(r, true, states, nullptr);
  r.in_per_unit = unit > 0;
  launch<d, true, false, false>(p, stream);
}

}  // namespace sweep

/// y and the final state, in one pass. n, d: 64 or 128.
template <int n, int d>
void sweep_forward(const sweep_shape& s, const sweep_inputs& x, const tensor& y, float* state_out, cudaStream_t stream) {
  sweep::params p{};
  p.size = sweep::make_extents(s, d, 0), p.parts = 1;
  p.part[0] = sweep::forward_role<n, d>(s, x, y);
  sweep::set_state<n, d>(p.part[0], false, x.state, state_out);
  sweep::launch<n, true, false, false>(p, stream);
}

template <int n, int d>
int64_t sweep_backward_workspace(const sweep_shape& s) {
  return sweep::backward_workspace<n, d>(s).bytes;
}

/// All gradients: a sweep for dq, one in reverse for dk and dv side by side, one pass over row dots.
template <int n, int d, bool probe = true>
void sweep_backward(const sweep_shape& s, const sweep_inputs& x, const sweep_gradients& g, void* workspace, cudaStream_t stream) {
  sweep::backward<n, d, probe>(s, x, g, 0, {}, workspace, stream);
}

}  // namespace coefdyn::cuda
