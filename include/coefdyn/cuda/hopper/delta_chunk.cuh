// SPDX-License-Identifier: MIT
// Above 300 lines: one kernel, with what each of its warpgroups does.
#pragma once

#include "block_scan.cuh"
#include "delta_gradients.cuh"
#include "delta_rows.cuh"
#include "delta_state.cuh"
#include "sweep_rows.cuh"

/// The gradients of q, k, gates and factors, chunk by chunk side by side: what is written (w), its gradient (dx), the state S before a
/// chunk and the gradient dS of the one behind it are known. With E the decay from the chunk's start to a token, F from there to its end,
/// and
///   P_ij = r_i decay (dy_i . w_j), j <= i,   Q_ij = -beta_i decay (dx_i . w_j), j < i:
///   dq_i = r_i E_i S dy_i + sum_j P_ij k_j
///   dk_j = -beta_j E_j S dx_j + sum_i Q_ji k_i + F_j dS w_j + sum_i P_ij q_i + sum_i Q_ij k_i
/// One warpgroup makes P and dq, one Q and dk; a block has 64 columns of both. Where keys are alike, neighbours' w cancel: w and P are
/// taken in two parts of bf16 for dq. A gate's gradient is what lies before it and is read behind it; its sums are from the chunk's start
/// to its end, all from products whose bits they share, so that pairs on one side of it cancel.
namespace coefdyn::cuda::delta {

/// Tensors bf16 [B, T, heads, n | d] unless said otherwise.
struct chunk_params {
  CUtensorMap dy, dx, written;              // boxes (64, d); `written` has both parts of w, 2 d columns
  CUtensorMap q, k, dq, dk;                 // boxes (64, 64)
  tensor out[2];                            // dq, dk again
  const unsigned char *states, *gradients;  // tiles of S and dS: see keep_state
  tensor gate, strength, read_factor;       // fp32 [B, T, heads]; gate and read_factor may be absent
  float scale;                              // beside read_factor
  int heads, slices, query_group, key_group;
  sequence_offsets offsets;
  int64_t batches, rows;  // tokens of a batch row; of all packed sequences
  int pieces;             // chunks of them
  row_sums sums;
};

/// Numbers of a chunk's tokens; r and beta are 1 where they are 0, so that their gradients exist.
struct pair_factors {
  float gate[chunk];                // inclusive sums, base 2
  float factor[2][chunk];           // r, -beta
  float shown[2][chunk];            // 0 where that is 0, else 1
  float to_end[chunk];              // F
  float dot[2][chunk], far[chunk];  // dq . q; what dk says of gates; the part of it that reads dS
  float partial[4], total;          // <S, dS>; the chunk's decay
};

template <int d>
struct chunk_layout {
  static constexpr uint32_t narrow = chunk * hopper::row_bytes, wide = chunk * d * 2;  // also a state's 64 columns
  static constexpr uint32_t dy = 0, dx = wide, written = 2 * wide, rest = 3 * wide, gradient = rest, state = 4 * wide;
  static constexpr uint32_t query = 5 * wide, key = query + narrow, more = key + narrow;
  /// P, Q once dy, dx are used up; and what goes out.
  static __device__ constexpr uint32_t pairs(int i) { return i ? dx : dy; }
  static __device__ constexpr uint32_t out(int i) { return d == 128 ? pairs(i) + narrow : more + i * narrow; }
  static constexpr uint32_t numbers = more + (d == 128 ? 0 : 2 * narrow), barriers = numbers + (sizeof(pair_factors) + 15) / 16 * 16;
  static constexpr uint32_t dynamic = barriers + 3 * 8 + hopper::swizzle_atom;
};
inline constexpr int chunk_threads = 256;

/// What a block knows.
template <int d>
struct chunk_block {
  using L = chunk_layout<d>;
  const chunk_params& p;
  hopper::tile_memory memory;
  int64_t batch, row;  // its first token
  int head, slice, valid;
  int64_t image;  // of its state
  __device__ __forceinline__ uint32_t at(uint32_t tile) const { return memory.base + tile; }
  __device__ __forceinline__ pair_factors& numbers() const { return *reinterpret_cast<pair_factors*>(memory.generic + L::numbers); }
  __device__ __forceinline__ uint32_t barrier(int i) const { return memory.base + L::barriers + 8 * i; }
  __device__ __forceinline__ void wait(int i) const { ptx::barrier_wait(barrier(i), 0); }
  __device__ __forceinline__ bool cut() const { return p.offsets && valid < chunk; }
};
// Barriers by number: both parts of w are read, P is there, of a warpgroup.
inline constexpr int parts_read = 1, pairs_made = 2, group_barrier = 3;

/// d = a b', or d + a b', both (64, n) in shared memory.
template <int n>
__device__ __forceinline__ void multiply(float (&d)[32], uint32_t a, uint32_t b, bool adds) {
#pragma unroll
  for (int k = 0; k < n / 16; ++k) {
    const uint32_t at = (k / 4) * chunk * hopper::row_bytes + (k % 4) * 32;
    ptx::product<ptx::major::inner, ptx::major::inner>(d, ptx::tile_descriptor(a + at, 0), ptx::tile_descriptor(b + at, 0), adds || k > 0);
  }
  ptx::product_commit();
}
/// d = a b, a (64, n) in panels and b (n, 64) in shared memory.
template <int n>
__device__ __forceinline__ void multiply_columns(float (&d)[32], uint32_t a, uint32_t b) {
#pragma unroll
  for (int k = 0; k < n / 16; ++k)
    ptx::product<ptx::major::inner, ptx::major::outer>(d, ptx::tile_descriptor(a + (k / 4) * chunk * hopper::row_bytes + (k % 4) * 32, 0),
                                                       ptx::tile_descriptor(b + k * 2048, 0), k > 0);
  ptx::product_commit();
}

/// Starts what comes in; one thread. S and dS are tiles as they lie in shared memory.
template <int d>
__device__ __forceinline__ void begin_copies(const chunk_block<d>& b) {
  using L = chunk_layout<d>;
  const chunk_params& p = b.p;
  const int row = static_cast<int>(b.row), batch = static_cast<int>(b.batch);
  for (int i = 0; i < 3; ++i) ptx::barrier_init(b.barrier(i), 1);
  ptx::barrier_init_fence();
  ptx::barrier_arrive_expect(b.barrier(0), 4 * L::wide);
  ptx::tensor_load(b.at(L::dy), &p.dy, b.barrier(0), 0, row, 0, b.head, batch);
  ptx::tensor_load(b.at(L::dx), &p.dx, b.barrier(0), 0, row, 0, b.head, batch);
  ptx::tensor_load(b.at(L::written), &p.written, b.barrier(0), 0, row, 0, b.head, batch);
  ptx::tensor_load(b.at(L::rest), &p.written, b.barrier(0), 0, row, d / 64, b.head, batch);
  ptx::barrier_arrive_expect(b.barrier(1), L::wide + 2 * L::narrow);
  ptx::bulk_load(b.at(L::state), p.states + b.image, L::wide, b.barrier(1));
  ptx::tensor_load(b.at(L::query), &p.q, b.barrier(1), 0, row, b.slice, b.head / p.query_group, batch);
  ptx::tensor_load(b.at(L::key), &p.k, b.barrier(1), 0, row, b.slice, b.head / p.key_group, batch);
}

/// Numbers of the chunk's tokens; a warp.
template <int d>
__device__ __forceinline__ void gather_pair_factors(const chunk_block<d>& b, int lane) {
  const chunk_params& p = b.p;
  pair_factors& f = b.numbers();
  float gate[2] = {}, r[2] = {p.scale, p.scale}, beta[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int64_t at = b.row + min(2 * lane + i, b.valid - 1);
    if (p.gate.data) gate[i] = fmaxf(sweep::at(p.gate, b.batch, at, b.head), sweep::gate_floor) * sweep::log2_e;
    if (p.read_factor.data) r[i] *= sweep::at(p.read_factor, b.batch, at, b.head);
    beta[i] = sweep::at(p.strength, b.batch, at, b.head);
    if (2 * lane + i >= b.valid) gate[i] = 0.f;
  }
  const float sum = hopper::sum_so_far(gate[0] + gate[1], lane), total = __shfl_sync(~0u, sum, 31), g[2] = {sum - gate[1], sum};
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int t = 2 * lane + i;
    f.gate[t] = g[i], f.to_end[t] = ptx::exp2_fast(fminf(total - g[i], 0.f));
    f.factor[0][t] = r[i] == 0.f ? p.scale : r[i], f.shown[0][t] = r[i] == 0.f ? 0.f : 1.f;
    f.factor[1][t] = beta[i] == 0.f ? -1.f : -beta[i], f.shown[1][t] = beta[i] == 0.f ? 0.f : 1.f;
  }
  if (lane == 0) f.total = ptx::exp2_fast(total);
}

/// A warpgroup's pairs (row i, j), those of Q (index 1) strictly below the diagonal; masked and decayed.
template <int index>
__device__ __forceinline__ void weigh_pairs(float (&x)[32], const pair_factors& f, int valid, int warp, int lane) {
  const int row0 = 16 * warp + lane / 4, column0 = 2 * (lane % 4);
  const float g[2] = {f.gate[row0], f.gate[row0 + 8]}, by[2] = {f.factor[index][row0], f.factor[index][row0 + 8]};
#pragma unroll
  for (int c = 0; c < 8; ++c) {
    const float2 gate = *reinterpret_cast<const float2*>(f.gate + 8 * c + column0);
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int i = row0 + 8 * (e / 2), j = 8 * c + column0 + (e & 1);
      const float w = x[4 * c + e] * by[e / 2] * ptx::exp2_fast(g[e / 2] - (e & 1 ? gate.y : gate.x));
      x[4 * c + e] = j <= i - index && i < valid ? w : 0.f;
    }
  }
}

/// Leaves pairs for the product over rows; none of rows whose factor is 0.
__device__ __forceinline__ void leave_pairs(const uint32_t (&pairs)[16], const float* shown, uint32_t tile, int warp, int lane) {
  const int row0 = 16 * warp + lane / 4;
  const bool keep[2] = {shown[row0] != 0.f, shown[row0 + 8] != 0.f};
  uint32_t kept[16];
#pragma unroll
  for (int e = 0; e < 16; ++e) kept[e] = keep[e & 1] ? pairs[e] : 0u;
  store_operand<64>(kept, tile, 0, 16 * warp, lane);
}
__device__ __forceinline__ void scale_rows(float (&o)[32], float low, float high) {
#pragma unroll
  for (int e = 0; e < 32; ++e) o[e] *= (e & 2) ? high : low;
}
/// A lane of each row leaves its two numbers.
__device__ __forceinline__ void leave_rows(float* to, const float (&x)[2], int warp, int lane) {
  if (lane % 4 == 0) to[16 * warp + lane / 4] = x[0], to[16 * warp + lane / 4 + 8] = x[1];
}

/// Where a token's number lies.
template <int d>
__device__ __forceinline__ float* sum_at(const chunk_block<d>& b, float* sums, int token) {
  return sums + ((b.slice * b.p.batches + b.batch) * b.p.rows + b.row + token) * b.p.heads + b.head;
}
template <int d>
__device__ __forceinline__ void leave_sums(const chunk_block<d>& b, float* sums, const float (&x)[2], int warp, int lane) {
  const int row0 = 16 * warp + lane / 4;
#pragma unroll
  for (int i = 0; i < 2; ++i)
    if (lane % 4 == 0 && row0 + 8 * i < b.valid) *sum_at(b, sums, row0 + 8 * i) = x[i];
}

/// A finished tile out; a warpgroup.
template <int d>
__device__ __forceinline__ void store_out(const chunk_block<d>& b, int index, const float (&o)[32], int thread) {
  using L = chunk_layout<d>;
  const uint32_t tile = L::out(index);
  hopper::store_rounded<64>(o, b.at(tile), 0, 16 * (thread / 32), thread % 32);
  ptx::fence_async_shared();
  ptx::named_sync<128>(group_barrier + index);
  if (b.cut()) {
    const tensor& t = b.p.out[index];
    bf16* const out = static_cast<bf16*>(t.data) + b.batch * t.batch + b.row * t.time + b.head * t.head + b.slice * 64;
    for (int row = thread / 8; row < b.valid; row += 16)
      *reinterpret_cast<uint4*>(out + row * t.time + thread % 8 * 8) =
          *reinterpret_cast<const uint4*>(b.memory.generic + tile + swizzled(row, thread % 8));
  } else if (thread == 0) {
    ptx::tensor_store(index ? &b.p.dk : &b.p.dq, b.at(tile), 0, static_cast<int>(b.row), b.slice, b.head, static_cast<int>(b.batch));
    ptx::bulk_commit();
    ptx::bulk_wait_read<0>();
  }
}

/// dq, and P for dk; a warpgroup.
template <int d>
__device__ __forceinline__ void make_query_rows(const chunk_block<d>& b, int thread) {
  using L = chunk_layout<d>;
  pair_factors& f = b.numbers();
  const int warp = thread / 32, lane = thread % 32, row0 = 16 * warp + lane / 4;
  float x[32], o[32], dot[2];
  uint32_t pairs[16], rest[16];
  b.wait(0);
  ptx::product_fence();
  multiply<d>(x, b.at(L::dy), b.at(L::written), false);
  multiply<d>(x, b.at(L::dy), b.at(L::rest), true);
  b.wait(1);
  ptx::product_fence();
  multiply_columns<d>(o, b.at(L::dy), b.at(L::state));
  ptx::product_wait<1>();
  ptx::pin(x);
  ptx::named_arrive<chunk_threads>(parts_read);
  weigh_pairs<0>(x, f, b.valid, warp, lane);
  hopper::round_operand<32>(pairs, x);
  left_out(rest, x, pairs);
  const float inner[2] = {f.factor[0][row0] * ptx::exp2_fast(f.gate[row0]), f.factor[0][row0 + 8] * ptx::exp2_fast(f.gate[row0 + 8])};
  ptx::product_wait<0>();
  ptx::pin(o);
  ptx::named_sync<128>(group_barrier);  // all have read dy
  leave_pairs(pairs, f.shown[0], b.at(L::pairs(0)), warp, lane);
  ptx::named_arrive<chunk_threads>(pairs_made);
  scale_rows(o, inner[0], inner[1]);
  ptx::pin(pairs);
  ptx::pin(rest);
  ptx::pin(o);
  ptx::product_fence();
  hopper::accumulate<64, 64>(o, pairs, b.at(L::key), 0);
  ptx::product_wait<0>();
  ptx::pin(o);
  sweep::probe_rows(dot, o, b.at(L::query), warp, lane);  // with P as dk has it
  const float shown[2] = {f.shown[0][row0], f.shown[0][row0 + 8]};
  dot[0] *= shown[0], dot[1] *= shown[1];
  leave_rows(f.dot[0], dot, warp, lane);
  ptx::product_fence();
  hopper::accumulate<64, 64>(o, rest, b.at(L::key), 0);
  ptx::product_wait<0>();
  ptx::pin(o);
  if (b.p.sums.read) {
    sweep::probe_rows(dot, o, b.at(L::query), warp, lane);
    leave_sums(b, b.p.sums.read, dot, warp, lane);
  }
  scale_rows(o, shown[0], shown[1]);
  store_out(b, 0, o, thread);
  b.wait(2);
  float sum = 0.f;  // <S, dS>
  for (int at = thread * 16; at < int(L::wide); at += 128 * 16) {
    const eight s(b.memory.generic + L::state + at), ds(b.memory.generic + L::gradient + at);
#pragma unroll
    for (int i = 0; i < 8; ++i) sum += s.x[i] * ds.x[i];
  }
#pragma unroll
  for (int step = 16; step; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
  if (lane == 0) f.partial[warp] = sum;
}

/// dk; a warpgroup.
template <int d>
__device__ __forceinline__ void make_key_rows(const chunk_block<d>& b, int thread) {
  using L = chunk_layout<d>;
  pair_factors& f = b.numbers();
  const int warp = thread / 32, lane = thread % 32, row0 = 16 * warp + lane / 4;
  float x[32], o[32], read[2], far[2], all[2];
  uint32_t pairs[16];
  b.wait(0);
  ptx::product_fence();
  multiply<d>(x, b.at(L::dx), b.at(L::written), false);
  multiply<d>(x, b.at(L::dx), b.at(L::rest), true);
  b.wait(1);
  ptx::product_fence();
  multiply_columns<d>(o, b.at(L::dx), b.at(L::state));
  ptx::product_wait<1>();
  ptx::pin(x);
  ptx::named_sync<chunk_threads>(parts_read);
  if (thread == 0) {
    ptx::barrier_arrive_expect(b.barrier(2), L::wide);
    ptx::bulk_load(b.at(L::gradient), b.p.gradients + b.image, L::wide, b.barrier(2));
  }
  weigh_pairs<1>(x, f, b.valid, warp, lane);
  hopper::round_operand<32>(pairs, x);
  const float inner[2] = {f.factor[1][row0] * ptx::exp2_fast(f.gate[row0]), f.factor[1][row0 + 8] * ptx::exp2_fast(f.gate[row0 + 8])};
  const float shown[2] = {f.shown[1][row0], f.shown[1][row0 + 8]}, to_end[2] = {f.to_end[row0], f.to_end[row0 + 8]};
  ptx::product_wait<0>();
  ptx::pin(o);
  ptx::named_sync<128>(group_barrier + 1);  // all have read dx
  leave_pairs(pairs, f.shown[1], b.at(L::pairs(1)), warp, lane);
  scale_rows(o, inner[0], inner[1]);
  ptx::pin(pairs);
  ptx::pin(o);
  ptx::product_fence();
  hopper::accumulate<64, 64>(o, pairs, b.at(L::key), 0);
  b.wait(2);
  ptx::product_fence();
  multiply_columns<d>(x, b.at(L::written), b.at(L::gradient));
  ptx::product_wait<1>();
  ptx::pin(o);
  sweep::probe_rows(read, o, b.at(L::key), warp, lane);
  leave_sums(b, b.p.sums.correct, read, warp, lane);
  scale_rows(o, shown[0], shown[1]);
  ptx::named_sync<chunk_threads>(pairs_made);
  ptx::product_wait<0>();
  ptx::pin(x);
  scale_rows(x, to_end[0], to_end[1]);
  sweep::probe_rows(far, x, b.at(L::key), warp, lane);
#pragma unroll
  for (int e = 0; e < 32; ++e) o[e] += x[e];
#pragma unroll
  for (int turn = 0; turn < 2; ++turn) {  // (j, i) of P beside q, of Q beside k
#pragma unroll
    for (int k = 0; k < 4; ++k)
      ptx::load_blocks_transposed(*reinterpret_cast<uint32_t(*)[4]>(pairs + 4 * k), b.at(L::pairs(turn)) + turned(k, warp, lane));
    ptx::pin(pairs);
    ptx::pin(o);
    ptx::product_fence();
    hopper::accumulate<64, 64>(o, pairs, b.at(turn ? L::key : L::query), 0);
    ptx::product_wait<0>();
    ptx::pin(o);
  }
  sweep::probe_rows(all, o, b.at(L::key), warp, lane);
  const float gate[2] = {2 * shown[0] * read[0] - all[0], 2 * shown[1] * read[1] - all[1]};  // read less written
  leave_rows(f.dot[1], gate, warp, lane), leave_rows(f.far, far, warp, lane);
  store_out(b, 1, o, thread);
}

/// Gradients of the chunk's gates from row dots: sums from its end, on top of the flux there; a warp.
template <int d>
__device__ __forceinline__ void sum_gates(const chunk_block<d>& b, int lane) {
  const pair_factors& f = b.numbers();
  float x[2], far = 0.f;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int t = 2 * lane + i;
    const bool in = t < b.valid;
    x[i] = in ? f.dot[0][t] + f.dot[1][t] : 0.f;
    far += in ? f.far[t] : 0.f;
  }
#pragma unroll
  for (int step = 16; step; step /= 2) far += __shfl_xor_sync(~0u, far, step);
  far += f.total * (f.partial[0] + f.partial[1] + f.partial[2] + f.partial[3]);
  const float sum = hopper::sum_from_end(x[0] + x[1], lane);
#pragma unroll
  for (int i = 0; i < 2; ++i)
    if (2 * lane + i < b.valid) *sum_at(b, b.p.sums.gate, 2 * lane + i) = sum - (i ? x[0] : 0.f) + far;
}

template <int d>
__global__ __launch_bounds__(chunk_threads, 2) void chunk_kernel(const __grid_constant__ chunk_params p) {
#if COEFDYN_HOPPER
  extern __shared__ unsigned char raw[];
  using L = chunk_layout<d>;
  const int slice = blockIdx.x % p.slices, task = blockIdx.x / p.slices, head = task % p.heads;
  const int batch = task / p.heads / p.pieces, piece = task / p.heads % p.pieces;
  const hopper::sequence_span s = hopper::sequence_of<chunk>(p.offsets, p.rows, piece);
  const int64_t first = int64_t(piece - s.first) * chunk;
  const int valid = static_cast<int>(min(int64_t(chunk), s.length - first));
  if (valid <= 0) return;
  const int64_t image = ((int64_t(batch) * p.pieces + piece) * p.heads + head) * p.slices + slice;
  const chunk_block<d> b{p, hopper::tile_memory(raw), batch, s.begin + first, head, slice, valid, image * L::wide};
  const int thread = threadIdx.x, group = thread / 128;
  if (thread == 0) begin_copies(b);
  if (thread / 32 == 1) gather_pair_factors(b, thread % 32);
  __syncthreads();
  if (b.cut()) {  // rows behind are another sequence's
    b.wait(1);
    for (int row = valid + thread / 16; row < chunk; row += chunk_threads / 16)
      *reinterpret_cast<uint4*>(b.memory.generic + (thread % 16 < 8 ? L::query : L::key) + row * 128 + thread % 8 * 16) = uint4{};
    ptx::fence_async_shared();
    __syncthreads();
  }
  group ? make_key_rows(b, thread % 128) : make_query_rows(b, thread % 128);
  if (!p.sums.gate) return;
  __syncthreads();
  if (thread < 32) sum_gates(b, thread);
#endif
}

}  // namespace coefdyn::cuda::delta
