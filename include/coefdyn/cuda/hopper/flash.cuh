// SPDX-License-Identifier: MIT
// Causal parallel form for any readout map, tiled, forward and backward. Above 300 lines: three kernels that share their tiles.
#pragma once

#include <algorithm>

#include "../../core/tokens.hpp"
#include "ptx.cuh"

namespace coefdyn::cuda {

using ptx::tensor;

enum class normaliser { sum, constant };

/// Extents of a call. n is the inner extent of q, k and v: 64 or 128. Packed sequences: batch is 1, time the number of all tokens.
struct flash_shape {
  int batch = 1;
  int64_t time = 0;
  int heads = 0;  // processed heads; streams may have fewer, see the groups
  int n = 0;
  sequence_offsets offsets = {};  // on the device, or empty
};

/// Processed head h reads head h / group of each stream.
struct flash_inputs {
  tensor q, k, v;  // bf16 [B, T, heads / group, n]
  int q_group = 1, k_group = 1, v_group = 1;
  float scale = 1.f;             // positive; multiplies the score
  float constant = 1.f;          // multiplies y where the normaliser is constant
  const float* decay = nullptr;  // flash_decay's workspace, or absent
};

namespace flash {

inline constexpr int tile = 128;     // rows of a block; two warpgroups of 64
inline constexpr int threads = 384;  // two computing warpgroups, one whose first warp copies
inline constexpr float log2_e = 1.4426950408889634f;

/// What a kernel is compiled for.
template <class phi_, normaliser norm_, bool decay_, bool packed_>
struct choices {
  using phi = phi_;
  static constexpr normaliser norm = norm_;
  static constexpr bool decay = decay_, packed = packed_;
};

struct params {
  CUtensorMap q, k, v, dy;  // boxes as the kernel reads them
  CUtensorMap out0, out1;   // boxes (64, 64): y | dq | dk and dv
  int batch, heads;
  uint32_t q_share, k_share, v_share;  // see shared_head
  int tiles, group;                    // of a batch row, or of all packed sequences at most; `group` heads share the L2 at a time
  int64_t time;
  float scale, constant;
  float* row_sum;                 // (batch, heads, time): log2 of the sum for exp, else the sum
  const float* delta;             // (batch, heads, time): dy . y
  const float* gate;              // (batch, heads, tiles 128): inclusive sums of gates in a tile, base 2
  float *row_gate, *column_gate;  // (batch, heads, time): sums of score times its gradient
  // tensors for rows at the end of a packed sequence, which move by hand
  tensor summed0, summed1;  // whose rows a product adds up: v | q and dy | k
  tensor direct0, direct1;  // those of out0 and out1
  sequence_offsets offsets;
};

/// A sequence: its rows in the tensor, and the first of its tiles among those of all sequences. The tiles of packed sequence i start
/// at begin / 128 + i, which leaves room for each, so that a block finds its sequence by bisection; a tile left over is empty.
struct span {
  int64_t begin, length;
  int first;
};
COEFDYN_HD inline span sequence_of(const sequence_offsets& offsets, int t) {
  idx low = 0, high = offsets.count - 1;
  while (high - low > 1) {
    const idx middle = (low + high) / 2;
    (offsets[middle] / tile + middle <= t ? low : high) = middle;
  }
  const int64_t begin = offsets[low];
  return {begin, offsets[low + 1] - begin, static_cast<int>(begin / tile + low)};
}
COEFDYN_HD inline span sequence_of(const sequence_offsets& offsets, int64_t time, int t) {
  return offsets ? sequence_of(offsets, t) : span{0, time, 0};
}
/// Tiles of a batch row, or a bound of those of all packed sequences.
inline int64_t tile_count(const flash_shape& s) { return s.offsets ? s.time / tile + s.offsets.count - 1 : (s.time + tile - 1) / tile; }

/// h / group of a processed head h by the reciprocal share_of(group), where (2 h + 1) group < 2^31.
inline uint32_t share_of(int group) { return (0x80000000u + group - 1) / group; }
__device__ __forceinline__ int shared_head(int h, uint32_t share) { return __umulhi(2 * h + 1, share); }

struct place {
  int tile, head, batch;  // tile: of the sequence
  span of;
  __device__ bool empty() const { return int64_t(tile) * flash::tile >= of.length; }
  __device__ int row() const { return static_cast<int>(of.begin) + tile * flash::tile; }
  __device__ bool cut() const { return left(0) < flash::tile; }
  /// Tokens of the sequence from the tile's row `first` on, 128 at most.
  __device__ int left(int first) const { return static_cast<int>(min(of.length - tile * flash::tile - first, int64_t(flash::tile))); }
};

/// Longest tiles first inside a group of heads whose keys and values fit the L2.
template <bool packed>
__device__ __forceinline__ place locate(const params& p, int index, bool last_first) {
  const int all = p.batch * p.heads, per = p.group * p.tiles;
  const int first = index / per * p.group, width = min(p.group, all - first), rest = index % per;
  const int t = rest / width, head = first + rest % width;
  place at{last_first ? p.tiles - 1 - t : t, head % p.heads, head / p.heads, {0, p.time, 0}};
  if constexpr (packed) at.of = sequence_of(p.offsets, at.tile), at.tile -= at.of.first;
  return at;
}

template <int size>
struct ring {
  int slot = 0;
  uint32_t phase = 0;
  __device__ void next() {
    if (++slot == size) slot = 0, phase ^= 1;
  }
};

__device__ __forceinline__ uint32_t swizzled(uint32_t row, uint32_t block) { return row * 128 + ((block ^ (row & 7)) << 4); }

/// d = a b' over the inner index n, both tiles in shared memory as panels of 64 columns; one group, not waited for.
template <int n, int columns>
__device__ __forceinline__ void multiply_rows(float (&d)[columns / 2], uint32_t a, uint32_t a_panel, uint32_t b, uint32_t b_panel) {
#pragma unroll
  for (int k = 0; k < n / 16; ++k)
    ptx::product<ptx::major::inner, ptx::major::inner>(d, ptx::tile_descriptor(a + (k / 4) * a_panel + (k % 4) * 32, a_panel),
                                                       ptx::tile_descriptor(b + (k / 4) * b_panel + (k % 4) * 32, b_panel), k > 0);
  ptx::product_commit();
}

/// d += a b with a (64, keys) in registers and b (keys, columns) in shared memory; one group, not waited for.
template <int keys, int columns>
__device__ __forceinline__ void accumulate(float (&d)[columns / 2], const uint32_t* a, uint32_t b, uint32_t b_panel) {
#pragma unroll
  for (int k = 0; k < keys / 16; ++k) ptx::product<ptx::major::outer>(d, a + 4 * k, ptx::tile_descriptor(b + k * 2048, b_panel), true);
  ptx::product_commit();
}

/// Accumulators as a left operand.
template <int count>
__device__ __forceinline__ void round_operand(uint32_t (&a)[count / 2], const float (&x)[count]) {
#pragma unroll
  for (int e = 0; e < count / 2; ++e) a[e] = ptx::pack_bf16(x[2 * e], x[2 * e + 1]);
}

/// Copies `valid` rows of a (count, n) tile by hand and zeroes those behind them, as the copy engine does past a tensor's end: they
/// hold another sequence's tokens, and a weight of 0 does not undo a NaN. One warp; the tile is ready for the tensor cores.
template <int n, int count>
__device__ __forceinline__ void copy_rows(uint32_t to, const tensor& x, int first, int head, int valid, int lane) {
  const bf16* const from = static_cast<const bf16*>(x.data) + first * x.time + head * x.head + lane % 8 * 8;
#pragma unroll 1
  for (int row = lane / 8; row < count; row += 4)
#pragma unroll
    for (int panel = 0; panel < n / 64; ++panel)
      ptx::copy16(to + panel * (count * 128) + swizzled(row, lane % 8), from + (row < valid ? row : 0) * x.time + panel * 64,
                  row < valid ? 16 : 0);
  ptx::copy_commit();
  ptx::copy_wait<0>();
  ptx::fence_async_shared();
  __syncwarp();
}

/// A warpgroup's (64, n) accumulators, rounded, through its own rows of a (128, n) tile and out to global memory; by hand, rows below
/// the sequence's end, where another sequence follows inside the tile.
template <int n, bool packed>
__device__ __forceinline__ void copy_out(const float (&x)[n / 2], uint32_t to, const CUtensorMap* map, const tensor& direct,
                                         const place& at, int group, int thread) {
  const int warp = thread / 32, lane = thread % 32, row = at.row() + 64 * group;
  if constexpr (packed)
    if (const int valid = at.left(64 * group); valid < 64) {
      bf16* const out = static_cast<bf16*>(direct.data) + at.head * direct.head + 2 * (lane % 4);
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const int own = 16 * warp + lane / 4 + 8 * r;
        if (own < valid)
#pragma unroll
          for (int b = 0; b < n / 8; ++b)
            *reinterpret_cast<uint32_t*>(out + (row + own) * direct.time + 8 * b) = ptx::pack_bf16(x[4 * b + 2 * r], x[4 * b + 2 * r + 1]);
      }
      return;
    }
#pragma unroll
  for (int b = 0; b < n / 8; b += 2)
    ptx::store_blocks(to + (b / 8) * (tile * 128) + swizzled(64 * group + 16 * warp + (lane & 15), b % 8 + (lane >> 4)),
                      ptx::pack_bf16(x[4 * b], x[4 * b + 1]), ptx::pack_bf16(x[4 * b + 2], x[4 * b + 3]),
                      ptx::pack_bf16(x[4 * b + 4], x[4 * b + 5]), ptx::pack_bf16(x[4 * b + 6], x[4 * b + 7]));
  ptx::fence_async_shared();
  ptx::named_sync<128>(4 + group);
  if (thread == 0) {
#pragma unroll
    for (int panel = 0; panel < n / 64; ++panel)
      ptx::tensor_store(map, to + panel * (tile * 128) + group * 8192, 0, row, panel, at.head, at.batch);
    ptx::bulk_commit();
    ptx::bulk_wait<0>();
  }
}

/// Sum or maximum over the four lanes that share a row.
__device__ __forceinline__ float sum_row(float x) {
  x += __shfl_xor_sync(~0u, x, 1);
  return x + __shfl_xor_sync(~0u, x, 2);
}
__device__ __forceinline__ float max_row(float x) {
  x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
  return fmaxf(x, __shfl_xor_sync(~0u, x, 2));
}

/// Running maximum, sum and rescaling of two rows a thread; absent parts vanish for maps that need no maximum.
template <class phi, normaliser norm>
struct rows {
  float top[2] = {-INFINITY, -INFINITY}, sum[2] = {0.f, 0.f}, rescale[2] = {1.f, 1.f};

  /// Scores to weights, in place. Masked scores are -inf for maps with a maximum; otherwise `seen` decides.
  template <bool first, class mask>
  __device__ __forceinline__ void weigh(float (&s)[64], float scale, mask&& seen) {
    if constexpr (phi::needs_max) {
      const float c = scale * log2_e;
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        float m = top[r];
#pragma unroll
        for (int e = 0; e < 32; ++e) {
          float& x = s[4 * (e / 2) + 2 * r + (e & 1)];
          if constexpr (first) x = seen(4 * (e / 2) + 2 * r + (e & 1)) ? x : -INFINITY;
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
        if constexpr (first) s[e] = seen(e) ? s[e] : 0.f;
        if constexpr (norm == normaliser::sum) sum[(e >> 1) & 1] += s[e];
      }
    }
  }
};

template <int n>
struct forward_layout {
  static constexpr uint32_t panel = tile * 128, one = panel * (n / 64);
  static constexpr int stages = n == 128 ? 2 : 4;
  static constexpr uint32_t q = 0, k = one, v = k + stages * one, columns = v + stages * one, barriers = columns + stages * tile * 4;
  static constexpr uint32_t dynamic = barriers + 8 * (1 + 4 * stages) + 1024;
};

/// Decay factors of a key tile: each column's decay to the tile's end.
__device__ __forceinline__ void write_columns(float* to, const float* gate, int lane) {
  const float total = gate[tile - 1];
#pragma unroll
  for (int e = 0; e < 4; ++e) to[lane + 32 * e] = ptx::exp2_fast(total - gate[lane + 32 * e]);
}

/// Decay of the pairs of a thread: on the diagonal from the sums themselves, elsewhere a row's factor times a column's.
struct fading {
  const float* diagonal;  // sums of gates of the diagonal tile (128), global
  int row0, column0;
  float near[2];  // row's decay back to the end of the other tile
  template <int count>
  __device__ __forceinline__ void apply(float (&s)[count], const float* columns) const {
#pragma unroll
    for (int b = 0; b < count / 4; ++b) {
      const float2 x = *reinterpret_cast<const float2*>(columns + 8 * b + column0);
      s[4 * b] *= near[0] * x.x, s[4 * b + 1] *= near[0] * x.y, s[4 * b + 2] *= near[1] * x.x, s[4 * b + 3] *= near[1] * x.y;
    }
  }
  /// Diagonal: rows and columns in one tile; `later` is 1 if the rows are the queries, -1 if the columns are.
  template <int count>
  __device__ __forceinline__ void apply_diagonal(float (&s)[count], int first_row, int first_column, float later) const {
    const float g0 = diagonal[first_row + row0], g1 = diagonal[first_row + row0 + 8];
#pragma unroll
    for (int b = 0; b < count / 4; ++b) {
      const float2 x = *reinterpret_cast<const float2*>(diagonal + first_column + 8 * b + column0);
      s[4 * b] *= ptx::exp2_fast(fminf(later * (g0 - x.x), 0.f)), s[4 * b + 1] *= ptx::exp2_fast(fminf(later * (g0 - x.y), 0.f));
      s[4 * b + 2] *= ptx::exp2_fast(fminf(later * (g1 - x.x), 0.f)), s[4 * b + 3] *= ptx::exp2_fast(fminf(later * (g1 - x.y), 0.f));
    }
  }
};

template <int n, class chosen>
__global__ __launch_bounds__(threads, 1) void forward_kernel(const __grid_constant__ params p) {
#if COEFDYN_HOPPER
  using phi = typename chosen::phi;
  constexpr normaliser norm = chosen::norm;
  constexpr bool decay = chosen::decay, packed = chosen::packed;
  using L = forward_layout<n>;
  extern __shared__ unsigned char raw[];
  const uint32_t base = (ptx::shared_address(raw) + 1023u) & ~1023u;
  unsigned char* const generic = raw + (base - ptx::shared_address(raw));
  const uint32_t q_full = base + L::barriers;
  auto k_full = [&](int i) { return q_full + 8 + 8 * i; };
  auto k_empty = [&](int i) { return k_full(L::stages + i); };
  auto v_full = [&](int i) { return k_full(2 * L::stages + i); };
  auto v_empty = [&](int i) { return k_full(3 * L::stages + i); };
  const place at = locate<packed>(p, blockIdx.x, true);
  if (packed && at.empty()) return;
  const int group = threadIdx.x / 128, lane = threadIdx.x % 32;
  if (threadIdx.x == 0) {
    ptx::barrier_init(q_full, 1);
    for (int i = 0; i < L::stages; ++i) {
      ptx::barrier_init(k_full(i), decay ? 2 : 1);
      ptx::barrier_init(v_full(i), 1);
      ptx::barrier_init(k_empty(i), 8);
      ptx::barrier_init(v_empty(i), 8);
    }
    ptx::barrier_init_fence();
  }
  __syncthreads();
  const float* gates = decay ? p.gate + ((int64_t(at.batch) * p.heads + at.head) * p.tiles + at.of.first) * tile : nullptr;
  if (group == 2) {
    ptx::registers_lower<decay ? 40 : 24>();
    if (threadIdx.x >= 288) return;
    const int begin = static_cast<int>(at.of.begin), key_head = shared_head(at.head, p.k_share),
              value_head = shared_head(at.head, p.v_share);
    if (lane == 0) {
      ptx::barrier_arrive_expect(q_full, L::one);
      ptx::tensor_load(base + L::q, &p.q, q_full, 0, at.row(), 0, shared_head(at.head, p.q_share), at.batch);
    }
    ring<L::stages> slot;
    for (int j = at.tile; j >= 0; --j) {
      ptx::barrier_wait(k_empty(slot.slot), slot.phase ^ 1);
      if (lane == 0) {
        ptx::barrier_arrive_expect(k_full(slot.slot), L::one);
        ptx::tensor_load(base + L::k + slot.slot * L::one, &p.k, k_full(slot.slot), 0, begin + j * tile, 0, key_head, at.batch);
      }
      if constexpr (decay) {
        write_columns(reinterpret_cast<float*>(generic + L::columns) + slot.slot * tile, gates + j * tile, lane);
        __syncwarp();
        if (lane == 0) ptx::barrier_arrive(k_full(slot.slot));
      }
      ptx::barrier_wait(v_empty(slot.slot), slot.phase ^ 1);
      if (packed && at.cut() && j == at.tile) {
        copy_rows<n, tile>(base + L::v, p.summed0, at.row(), value_head, at.left(0), lane);
        if (lane == 0) ptx::barrier_arrive(v_full(0));
      } else if (lane == 0) {
        ptx::barrier_arrive_expect(v_full(slot.slot), L::one);
        ptx::tensor_load(base + L::v + slot.slot * L::one, &p.v, v_full(slot.slot), 0, begin + j * tile, 0, value_head, at.batch);
      }
      slot.next();
    }
    return;
  }
  ptx::registers_raise<decay ? 232 : 240>();
  const int thread = threadIdx.x % 128, warp = thread / 32;
  const int row0 = 64 * group + 16 * warp + lane / 4, column0 = 2 * (lane % 4);
  const uint32_t q = base + L::q + group * 8192;
  float s[64], o[n / 2];  // (row, key), (row, column) fp32
  uint32_t weights[32];   // (row, key) as a left operand
#pragma unroll
  for (int e = 0; e < n / 2; ++e) o[e] = 0.f;
  rows<phi, norm> state;
  ring<L::stages> slot;
  fading fade{gates ? gates + at.tile * tile : nullptr, row0, column0, {1.f, 1.f}};
  const float* const columns = reinterpret_cast<const float*>(generic + L::columns);
  auto causal = [&](int e) { return 8 * (e / 4) + column0 + (e & 1) <= row0 + ((e & 2) ? 8 : 0); };

  // The two warpgroups take turns: one's products run under the other's map.
  if (group == 1) ptx::named_arrive<256>(2);
  ptx::barrier_wait(q_full, 0);
  ptx::barrier_wait(k_full(0), 0);
  ptx::product_fence();
  multiply_rows<n, 128>(s, q, L::panel, base + L::k, L::panel);
  ptx::product_wait<0>();
  ptx::pin(s);
  if constexpr (decay) {
    fade.apply_diagonal(s, 0, 0, 1.f);
    fade.near[0] = ptx::exp2_fast(fade.diagonal[row0]), fade.near[1] = ptx::exp2_fast(fade.diagonal[row0 + 8]);
  }
  if (lane == 0) ptx::barrier_arrive(k_empty(0));
  state.template weigh<true>(s, p.scale, causal);
  round_operand<64>(weights, s);
  for (int j = at.tile - 1; j >= 0; --j) {
    const ring<L::stages> before = slot;
    slot.next();
    ptx::barrier_wait(k_full(slot.slot), slot.phase);
    ptx::named_sync<256>(2 + group);
    ptx::product_fence();
    multiply_rows<n, 128>(s, q, L::panel, base + L::k + slot.slot * L::one, L::panel);
    ptx::barrier_wait(v_full(before.slot), before.phase);
    ptx::product_fence();
    accumulate<128, n>(o, weights, base + L::v + before.slot * L::one, L::panel);
    ptx::named_arrive<256>(3 - group);
    ptx::product_wait<1>();
    ptx::pin(s);
    if constexpr (decay) {
      fade.apply(s, columns + slot.slot * tile);
      const float total = ptx::exp2_fast(gates[j * tile + tile - 1]);
      fade.near[0] *= total, fade.near[1] *= total;
    }
    __syncwarp();
    if (lane == 0) ptx::barrier_arrive(k_empty(slot.slot));
    state.template weigh<false>(s, p.scale, causal);
    ptx::product_wait<0>();
    ptx::pin(o);
    ptx::pin(weights);
    if (lane == 0) ptx::barrier_arrive(v_empty(before.slot));
    if constexpr (phi::needs_max) {
#pragma unroll
      for (int e = 0; e < n / 2; ++e) o[e] *= state.rescale[(e >> 1) & 1];
    }
    round_operand<64>(weights, s);
    ptx::pin(weights);
  }
  ptx::barrier_wait(v_full(slot.slot), slot.phase);
  ptx::product_fence();
  accumulate<128, n>(o, weights, base + L::v + slot.slot * L::one, L::panel);
  if (group == 0) ptx::named_sync<256>(2);
  const int64_t line = (int64_t(at.batch) * p.heads + at.head) * p.time + at.of.begin;
  float factor[2] = {p.constant, p.constant};
  if constexpr (norm == normaliser::sum) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float sum = sum_row(state.sum[r]);
      factor[r] = sum == 0.f ? 0.f : 1.f / sum;
      const int64_t row = int64_t(at.tile) * tile + row0 + 8 * r;
      if (p.row_sum && lane % 4 == 0 && row < at.of.length)
        p.row_sum[line + row] = phi::needs_max ? state.top[r] * p.scale * log2_e + log2f(sum) : sum;
    }
  }
  ptx::product_wait<0>();
  ptx::pin(o);
#pragma unroll
  for (int e = 0; e < n / 2; ++e) o[e] *= factor[(e >> 1) & 1];
  copy_out<n, packed>(o, base + L::q, &p.out0, p.direct0, at, group, thread);
#endif
}

/// Weight and score gradient of one pair from its score, its saved row numbers and dy . v.
template <class phi, normaliser norm>
struct pair_gradient {
  float scale, constant;
  /// `sum` is log2 of the sum for maps with a maximum, otherwise 1 / sum; returns the normalised weight.
  __device__ __forceinline__ float weight(float s, float sum) const {
    if constexpr (phi::needs_max) return ptx::exp2_fast(fmaf(s, scale * log2_e, -sum));
    else return phi::apply(s * scale) * (norm == normaliser::sum ? sum : constant);
  }
  __device__ __forceinline__ float slope(float s, float weight, float sum, float dp, float delta) const {
    if constexpr (phi::needs_max) return weight * (dp - delta);
    else if constexpr (norm == normaliser::sum) return phi::derivative(s * scale) * (dp - delta) * sum;
    else return phi::derivative(s * scale) * dp * constant;
  }
};

/// The saved row number as pair_gradient wants it.
template <class phi, normaliser norm>
__device__ __forceinline__ float row_number(float saved) {
  if constexpr (phi::needs_max || norm == normaliser::constant) return saved;
  else return saved == 0.f ? 0.f : 1.f / saved;
}

template <int n, bool decay>
struct query_layout {
  static constexpr uint32_t panel = tile * 128, one = panel * (n / 64);
  static constexpr int k_stages = 3, v_stages = 2;
  static constexpr uint32_t q = 0, dy = one, k = 2 * one, v = k + k_stages * one, columns = v + v_stages * one;
  static constexpr uint32_t barriers = columns + (decay ? k_stages * tile * 4 : 0);
  static constexpr uint32_t dynamic = barriers + 8 * (1 + 2 * (k_stages + v_stages)) + 1024;
};

/// dq of a tile of queries: dq += slope k, keys from the diagonal to the left.
template <int n, class chosen>
__global__ __launch_bounds__(threads, 1) void query_kernel(const __grid_constant__ params p) {
#if COEFDYN_HOPPER
  using phi = typename chosen::phi;
  constexpr normaliser norm = chosen::norm;
  constexpr bool decay = chosen::decay, packed = chosen::packed;
  using L = query_layout<n, decay>;
  extern __shared__ unsigned char raw[];
  const uint32_t base = (ptx::shared_address(raw) + 1023u) & ~1023u, q_full = base + L::barriers;
  unsigned char* const generic = raw + (base - ptx::shared_address(raw));
  auto k_full = [&](int i) { return q_full + 8 + 8 * i; };
  auto k_empty = [&](int i) { return k_full(L::k_stages + i); };
  auto v_full = [&](int i) { return k_full(2 * L::k_stages + i); };
  auto v_empty = [&](int i) { return k_full(2 * L::k_stages + L::v_stages + i); };
  const place at = locate<packed>(p, blockIdx.x, true);
  if (packed && at.empty()) return;
  const int group = threadIdx.x / 128, lane = threadIdx.x % 32;
  if (threadIdx.x == 0) {
    ptx::barrier_init(q_full, 1);
    for (int i = 0; i < L::k_stages; ++i) ptx::barrier_init(k_full(i), decay ? 2 : 1), ptx::barrier_init(k_empty(i), 8);
    for (int i = 0; i < L::v_stages; ++i) ptx::barrier_init(v_full(i), 1), ptx::barrier_init(v_empty(i), 8);
    ptx::barrier_init_fence();
  }
  __syncthreads();
  const float* gates = decay ? p.gate + ((int64_t(at.batch) * p.heads + at.head) * p.tiles + at.of.first) * tile : nullptr;
  float* const columns = reinterpret_cast<float*>(generic + L::columns);
  if (group == 2) {
    ptx::registers_lower<24>();
    if (threadIdx.x >= 288) return;
    const int begin = static_cast<int>(at.of.begin), key_head = shared_head(at.head, p.k_share),
              value_head = shared_head(at.head, p.v_share);
    if (lane == 0) {
      ptx::barrier_arrive_expect(q_full, 2 * L::one);
      ptx::tensor_load(base + L::q, &p.q, q_full, 0, at.row(), 0, shared_head(at.head, p.q_share), at.batch);
      ptx::tensor_load(base + L::dy, &p.dy, q_full, 0, at.row(), 0, at.head, at.batch);
    }
    ring<L::k_stages> slot;
    ring<L::v_stages> v_slot;
    for (int j = at.tile; j >= 0; --j) {
      ptx::barrier_wait(k_empty(slot.slot), slot.phase ^ 1);
      if (packed && at.cut() && j == at.tile) {
        copy_rows<n, tile>(base + L::k, p.summed0, at.row(), key_head, at.left(0), lane);
        if (lane == 0) ptx::barrier_arrive(k_full(0));
      } else if (lane == 0) {
        ptx::barrier_arrive_expect(k_full(slot.slot), L::one);
        ptx::tensor_load(base + L::k + slot.slot * L::one, &p.k, k_full(slot.slot), 0, begin + j * tile, 0, key_head, at.batch);
      }
      if constexpr (decay) {
        write_columns(columns + slot.slot * tile, gates + j * tile, lane);
        __syncwarp();
        if (lane == 0) ptx::barrier_arrive(k_full(slot.slot));
      }
      ptx::barrier_wait(v_empty(v_slot.slot), v_slot.phase ^ 1);
      if (lane == 0) {
        ptx::barrier_arrive_expect(v_full(v_slot.slot), L::one);
        ptx::tensor_load(base + L::v + v_slot.slot * L::one, &p.v, v_full(v_slot.slot), 0, begin + j * tile, 0, value_head, at.batch);
      }
      slot.next();
      v_slot.next();
    }
    return;
  }
  ptx::registers_raise<240>();
  const int thread = threadIdx.x % 128, warp = thread / 32;
  const int row0 = 64 * group + 16 * warp + lane / 4, column0 = 2 * (lane % 4);
  const uint32_t q = base + L::q + group * 8192, dy = base + L::dy + group * 8192;
  const int64_t line = (int64_t(at.batch) * p.heads + at.head) * p.time + at.of.begin;
  const pair_gradient<phi, norm> pair{p.scale, p.constant};
  float sum[2] = {0.f, 0.f}, delta[2] = {0.f, 0.f};
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int64_t row = int64_t(at.tile) * tile + row0 + 8 * r;
    if (norm == normaliser::sum && row < at.of.length)
      sum[r] = row_number<phi, norm>(p.row_sum[line + row]), delta[r] = p.delta[line + row];
  }
  float dq[n / 2];  // (row, column) fp32
#pragma unroll
  for (int e = 0; e < n / 2; ++e) dq[e] = 0.f;
  uint32_t slopes[32];  // (row, key) as a left operand
  ring<L::k_stages> slot, before;
  ring<L::v_stages> v_slot;
  fading fade{gates ? gates + at.tile * tile : nullptr, row0, column0, {1.f, 1.f}};
  float gate_sum[2] = {0.f, 0.f};
  ptx::barrier_wait(q_full, 0);
  auto add_tile = [&]<bool diagonal>(int j) {  // a body for the diagonal tile, one without masks for the others
    float s[64], dp[64];                       // (row, key) fp32
    ptx::barrier_wait(k_full(slot.slot), slot.phase);
    ptx::product_fence();
    multiply_rows<n, 128>(s, q, L::panel, base + L::k + slot.slot * L::one, L::panel);
    ptx::product_wait<1>();  // the previous tile's dq
    ptx::pin(dq);
    ptx::pin(slopes);
    if (!diagonal && lane == 0) ptx::barrier_arrive(k_empty(before.slot));
    ptx::barrier_wait(v_full(v_slot.slot), v_slot.phase);
    ptx::product_fence();
    multiply_rows<n, 128>(dp, dy, L::panel, base + L::v + v_slot.slot * L::one, L::panel);
    ptx::product_wait<1>();
    ptx::pin(s);
    if constexpr (decay) {
      if constexpr (diagonal) fade.apply_diagonal(s, 0, 0, 1.f);
      else fade.apply(s, columns + slot.slot * tile);
    } else if constexpr (phi::needs_max) {
#pragma unroll
      for (int e = 0; e < 64; ++e) s[e] = pair.weight(s[e], sum[(e >> 1) & 1]);
    }
    ptx::product_wait<0>();
    ptx::pin(dp);
    __syncwarp();
    if (lane == 0) ptx::barrier_arrive(v_empty(v_slot.slot));
#pragma unroll
    for (int e = 0; e < 64; ++e) {
      const int r = (e >> 1) & 1;
      const bool seen = !diagonal || 8 * (e / 4) + column0 + (e & 1) <= row0 + 8 * r;
      const float weight = decay && phi::needs_max ? pair.weight(s[e], sum[r]) : s[e];
      dp[e] = seen ? pair.slope(s[e], weight, sum[r], dp[e], delta[r]) : 0.f;
      if constexpr (decay) gate_sum[r] += dp[e] * s[e];
    }
    if constexpr (decay) {
      if constexpr (diagonal) {
        fade.apply_diagonal(dp, 0, 0, 1.f);
        fade.near[0] = ptx::exp2_fast(fade.diagonal[row0]), fade.near[1] = ptx::exp2_fast(fade.diagonal[row0 + 8]);
      } else {
        fade.apply(dp, columns + slot.slot * tile);
        const float total = ptx::exp2_fast(gates[j * tile + tile - 1]);
        fade.near[0] *= total, fade.near[1] *= total;
      }
    }
    round_operand<64>(slopes, dp);
    ptx::pin(slopes);
    ptx::product_fence();
    accumulate<128, n>(dq, slopes, base + L::k + slot.slot * L::one, L::panel);
    before = slot;
    slot.next();
    v_slot.next();
  };
  add_tile.template operator()<true>(at.tile);
  for (int j = at.tile - 1; j >= 0; --j) add_tile.template operator()<false>(j);
  if constexpr (decay) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float total = sum_row(gate_sum[r]) * p.scale;
      const int64_t row = int64_t(at.tile) * tile + row0 + 8 * r;
      if (lane % 4 == 0 && row < at.of.length) p.row_gate[line + row] = total;
    }
  }
  ptx::product_wait<0>();
  ptx::pin(dq);
#pragma unroll
  for (int e = 0; e < n / 2; ++e) dq[e] *= p.scale;
  copy_out<n, packed>(dq, base + L::q, &p.out0, p.direct0, at, group, thread);
#endif
}

inline constexpr int step = 64;  // queries of a step of the key kernel

template <int n>
struct key_layout {
  static constexpr uint32_t panel = tile * 128, one = panel * (n / 64), step_panel = step * 128, part = step_panel * (n / 64);
  static constexpr int stages = n == 128 ? 4 : 6;
  static constexpr uint32_t k = 0, v = one, q = 2 * one, dy = q + stages * part, numbers = dy + stages * part;
  static constexpr uint32_t barriers = numbers + stages * 3 * step * 4, dynamic = barriers + 8 * (1 + 2 * stages) + 1024;
};

/// dk and dv of a tile of keys: dv += weight' dy, dk += slope' q, queries from the diagonal to the end.
template <int n, class chosen>
__global__ __launch_bounds__(threads, 1) void key_kernel(const __grid_constant__ params p) {
#if COEFDYN_HOPPER
  using phi = typename chosen::phi;
  constexpr normaliser norm = chosen::norm;
  constexpr bool decay = chosen::decay, packed = chosen::packed;
  using L = key_layout<n>;
  extern __shared__ unsigned char raw[];
  const uint32_t base = (ptx::shared_address(raw) + 1023u) & ~1023u, k_full = base + L::barriers;
  unsigned char* const generic = raw + (base - ptx::shared_address(raw));
  auto full = [&](int i) { return k_full + 8 + 8 * i; };
  auto empty = [&](int i) { return full(L::stages + i); };
  auto numbers = [&](int i) { return reinterpret_cast<float*>(generic + L::numbers) + i * 3 * step; };
  const place at = locate<packed>(p, blockIdx.x, false);
  if (packed && at.empty()) return;
  const int group = threadIdx.x / 128, lane = threadIdx.x % 32;
  const int first = at.tile * (tile / step), last = static_cast<int>((at.of.length + step - 1) / step);
  if (threadIdx.x == 0) {
    ptx::barrier_init(k_full, 1);
    for (int i = 0; i < L::stages; ++i) {
      ptx::barrier_init(full(i), 2);
      ptx::barrier_init(empty(i), 8);
    }
    ptx::barrier_init_fence();
  }
  __syncthreads();
  const int64_t line = (int64_t(at.batch) * p.heads + at.head) * p.time + at.of.begin;
  const float* gates = decay ? p.gate + ((int64_t(at.batch) * p.heads + at.head) * p.tiles + at.of.first) * tile : nullptr;
  if (group == 2) {
    ptx::registers_lower<24>();
    if (threadIdx.x >= 288) return;
    const int begin = static_cast<int>(at.of.begin), key_head = shared_head(at.head, p.k_share),
              value_head = shared_head(at.head, p.v_share);
    const int query_head = shared_head(at.head, p.q_share);
    if (lane == 0) {
      ptx::barrier_arrive_expect(k_full, 2 * L::one);
      ptx::tensor_load(base + L::k, &p.k, k_full, 0, at.row(), 0, key_head, at.batch);
      ptx::tensor_load(base + L::v, &p.v, k_full, 0, at.row(), 0, value_head, at.batch);
    }
    ring<L::stages> slot;
    for (int i = first; i < last; ++i) {
      float sum[2] = {0.f, 0.f}, delta[2] = {0.f, 0.f}, fade[2];
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int64_t row = int64_t(i) * step + lane + 32 * e;
        if (norm == normaliser::sum && row < at.of.length) sum[e] = p.row_sum[line + row], delta[e] = p.delta[line + row];
        if constexpr (decay) fade[e] = gates[row];
      }
      ptx::barrier_wait(empty(slot.slot), slot.phase ^ 1);
      if (packed && at.left(i * step - at.tile * tile) < step) {
        const int valid = at.left(i * step - at.tile * tile);
        copy_rows<n, step>(base + L::q + slot.slot * L::part, p.summed0, begin + i * step, query_head, valid, lane);
        copy_rows<n, step>(base + L::dy + slot.slot * L::part, p.summed1, begin + i * step, at.head, valid, lane);
        if (lane == 0) ptx::barrier_arrive(full(slot.slot));
      } else if (lane == 0) {
        ptx::barrier_arrive_expect(full(slot.slot), 2 * L::part);
        ptx::tensor_load(base + L::q + slot.slot * L::part, &p.q, full(slot.slot), 0, begin + i * step, 0, query_head, at.batch);
        ptx::tensor_load(base + L::dy + slot.slot * L::part, &p.dy, full(slot.slot), 0, begin + i * step, 0, at.head, at.batch);
      }
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        numbers(slot.slot)[lane + 32 * e] = row_number<phi, norm>(sum[e]);
        numbers(slot.slot)[step + lane + 32 * e] = delta[e];
        if constexpr (decay) numbers(slot.slot)[2 * step + lane + 32 * e] = ptx::exp2_fast(fade[e]);
      }
      __syncwarp();
      if (lane == 0) ptx::barrier_arrive(full(slot.slot));
      slot.next();
    }
    return;
  }
  ptx::registers_raise<240>();
  const int thread = threadIdx.x % 128, warp = thread / 32;
  const int row0 = 16 * warp + lane / 4, column0 = 2 * (lane % 4);
  const uint32_t k = base + L::k + group * 8192, v = base + L::v + group * 8192;
  const pair_gradient<phi, norm> pair{p.scale, p.constant};
  float dk[n / 2], dv[n / 2];  // (key, column) fp32
#pragma unroll
  for (int e = 0; e < n / 2; ++e) dk[e] = dv[e] = 0.f;
  uint32_t weights[16], slopes[16];  // (key, query) as left operands
  ring<L::stages> slot, before;
  fading fade{gates ? gates + at.tile * tile : nullptr, row0, column0, {1.f, 1.f}};
  float gate_sum[2] = {0.f, 0.f};
  if constexpr (decay) {
#pragma unroll
    for (int r = 0; r < 2; ++r) fade.near[r] = ptx::exp2_fast(fade.diagonal[tile - 1] - fade.diagonal[64 * group + row0 + 8 * r]);
  }
  ptx::barrier_wait(k_full, 0);
  // Diagonal: queries and keys in the same 64 tokens; near: in the same 128, which only the decay has to know, straight-line.
  auto add_step = [&]<bool known_diagonal, bool near>(int i) {
    const bool diagonal = decay ? known_diagonal : i == first + group;
    ptx::barrier_wait(full(slot.slot), slot.phase);
    const uint32_t q = base + L::q + slot.slot * L::part, dy = base + L::dy + slot.slot * L::part;
    float s[32], dp[32];  // (key, query) fp32
    ptx::product_fence();
    multiply_rows<n, 64>(s, k, L::panel, q, L::step_panel);
    ptx::product_wait<1>();  // the previous step's dv and dk
    ptx::pin(dk);
    ptx::pin(dv);
    ptx::pin(weights);
    ptx::pin(slopes);
    if (!diagonal && lane == 0) ptx::barrier_arrive(empty(before.slot));
    ptx::product_fence();
    multiply_rows<n, 64>(dp, v, L::panel, dy, L::step_panel);
    const float *sums = numbers(slot.slot), *deltas = sums + step;
    ptx::product_wait<1>();
    ptx::pin(s);
    if constexpr (decay) {
      if constexpr (near) fade.apply_diagonal(s, 64 * group, i % (tile / step) * step, -1.f);
      else fade.apply(s, sums + 2 * step);
    }
    auto seen = [&](int e) { return !diagonal || 8 * (e / 4) + column0 + (e & 1) >= row0 + ((e & 2) ? 8 : 0); };
    float w[32];
#pragma unroll
    for (int b = 0; b < 8; ++b) {
      const float2 sum = *reinterpret_cast<const float2*>(sums + 8 * b + column0);
#pragma unroll
      for (int e = 4 * b; e < 4 * b + 4; ++e) {
        const float x = pair.weight(s[e], e & 1 ? sum.y : sum.x);
        w[e] = seen(e) ? x : 0.f;
      }
    }
    round_operand<32>(weights, w);
    ptx::pin(weights);
    ptx::product_fence();
    accumulate<64, n>(dv, weights, dy, L::step_panel);
    ptx::product_wait<1>();
    ptx::pin(dp);
#pragma unroll
    for (int b = 0; b < 8; ++b) {
      const float2 sum = *reinterpret_cast<const float2*>(sums + 8 * b + column0);
      const float2 delta = *reinterpret_cast<const float2*>(deltas + 8 * b + column0);
#pragma unroll
      for (int e = 4 * b; e < 4 * b + 4; ++e) {
        const float own = e & 1 ? sum.y : sum.x, weight = decay && phi::needs_max ? pair.weight(s[e], own) : w[e];
        const float x = pair.slope(s[e], weight, own, dp[e], e & 1 ? delta.y : delta.x);
        dp[e] = seen(e) ? x : 0.f;
        if constexpr (decay) gate_sum[(e >> 1) & 1] += dp[e] * s[e];
      }
    }
    if constexpr (decay) {
      if constexpr (near) fade.apply_diagonal(dp, 64 * group, i % (tile / step) * step, -1.f);
      else fade.apply(dp, sums + 2 * step);
    }
    round_operand<32>(slopes, dp);
    ptx::pin(slopes);
    ptx::product_fence();
    accumulate<64, n>(dk, slopes, q, L::step_panel);
    before = slot;
    slot.next();
  };
  int i = first;
  if (group == 1) {  // the first step's queries come before this warpgroup's keys
    ptx::barrier_wait(full(slot.slot), slot.phase);
    if (lane == 0) ptx::barrier_arrive(empty(slot.slot));
    slot.next();
    ++i;
  }
  if constexpr (decay) {
    if (i < last) add_step.template operator()<true, true>(i++);
    if (group == 0 && i < last) add_step.template operator()<false, true>(i++);
  }
  for (; i < last; ++i) {
    if constexpr (decay) {
      const int query_tile = i / (tile / step);
      const bool moves = query_tile > at.tile + 1 && i % (tile / step) == 0;
      const float total = ptx::exp2_fast(moves ? gates[(query_tile - 1) * tile + tile - 1] : 0.f);
      fade.near[0] *= total, fade.near[1] *= total;
    }
    add_step.template operator()<false, false>(i);
  }
  ptx::product_wait<0>();
  ptx::pin(dk);
  ptx::pin(dv);
#pragma unroll
  for (int e = 0; e < n / 2; ++e) dk[e] *= p.scale;
  const int row = at.tile * tile + 64 * group;
  if constexpr (decay) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float total = sum_row(gate_sum[r]) * p.scale;
      if (lane % 4 == 0 && row + row0 + 8 * r < at.of.length) p.column_gate[line + row + row0 + 8 * r] = total;
    }
  }
  copy_out<n, packed>(dk, base + L::k, &p.out0, p.direct0, at, group, thread);
  copy_out<n, packed>(dv, base + L::v, &p.out1, p.direct1, at, group, thread);
#endif
}

/// delta = dy . y, a quarter warp a row.
template <int n>
__global__ void delta_kernel(tensor y, tensor dy, float* delta, int64_t time, int heads, int64_t rows) {
  const int64_t index = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) / 8;  // (batch, time, head)
  if (index >= rows) return;
  const int part = threadIdx.x % 8, head = static_cast<int>(index % heads);
  const int64_t t = index / heads % time, batch = index / heads / time;
  const uint4* a = reinterpret_cast<const uint4*>(static_cast<const bf16*>(y.data) + batch * y.batch + t * y.time + head * y.head);
  const uint4* b = reinterpret_cast<const uint4*>(static_cast<const bf16*>(dy.data) + batch * dy.batch + t * dy.time + head * dy.head);
  float sum = 0.f;
#pragma unroll
  for (int i = 0; i < n / 64; ++i) {
    const uint4 x = a[part + 8 * i], z = b[part + 8 * i];
    const uint32_t xs[4] = {x.x, x.y, x.z, x.w}, zs[4] = {z.x, z.y, z.z, z.w};
#pragma unroll
    for (int e = 0; e < 4; ++e)
      sum += __uint_as_float(xs[e] << 16) * __uint_as_float(zs[e] << 16) +
             __uint_as_float(xs[e] & 0xffff0000u) * __uint_as_float(zs[e] & 0xffff0000u);
  }
#pragma unroll
  for (int s = 4; s; s /= 2) sum += __shfl_xor_sync(~0u, sum, s, 8);
  if (part == 0) delta[(batch * heads + head) * time + t] = sum;
}

/// Inclusive sums of gates in tiles of 128 tokens, base 2; rows past the end repeat the last sum.
template <int width>
__global__ __launch_bounds__(width) void gate_kernel(tensor gate, float* sums, int64_t time, int heads, int tiles,
                                                     sequence_offsets offsets) {
  __shared__ float totals[width / 32];
  const int t = blockIdx.x % tiles, head = blockIdx.x / tiles % heads, batch = blockIdx.x / tiles / heads;
  const int thread = threadIdx.x, lane = thread % 32;
  const span s = sequence_of(offsets, time, t);
  const int64_t row = int64_t(t - s.first) * width + thread;
  float x =
      row < s.length ? static_cast<const float*>(gate.data)[batch * gate.batch + (s.begin + row) * gate.time + head * gate.head] : 0.f;
  x = fmaxf(x, -110.f) * log2_e;
#pragma unroll
  for (int s = 1; s < 32; s *= 2) {
    const float other = __shfl_up_sync(~0u, x, s);
    if (lane >= s) x += other;
  }
  if (lane == 31) totals[thread / 32] = x;
  __syncthreads();
  float before = 0.f;
  for (int w = 0; w < thread / 32; ++w) before += totals[w];
  sums[((int64_t(batch) * heads + head) * tiles + t) * width + thread] = x + before;
}

/// Gradient of the gates: reverse sums of row minus column, tile by tile from the end; one block a head of a sequence.
template <int width>
__global__ __launch_bounds__(width) void gate_gradient_kernel(const float* row, const float* column, tensor d_gate, int64_t time, int heads,
                                                              sequence_offsets offsets) {
  __shared__ float totals[width / 32];
  const int head = blockIdx.x % heads, sequence = blockIdx.x / heads, thread = threadIdx.x, lane = thread % 32;
  const int batch = offsets ? 0 : sequence;
  const int64_t begin = offsets ? offsets[sequence] : 0, length = offsets ? offsets[sequence + 1] - begin : time;
  const int64_t line = (int64_t(batch) * heads + head) * time + begin;
  float* out = static_cast<float*>(d_gate.data) + batch * d_gate.batch + begin * d_gate.time + head * d_gate.head;
  float after = 0.f;
  for (int64_t first = (length - 1) / width * width; first >= 0; first -= width) {
    const int64_t t = first + thread;
    float x = t < length ? row[line + t] - column[line + t] : 0.f;
#pragma unroll
    for (int s = 1; s < 32; s *= 2) {
      const float other = __shfl_down_sync(~0u, x, s);
      if (lane + s < 32) x += other;
    }
    if (lane == 0) totals[thread / 32] = x;
    __syncthreads();
    float later = 0.f, all = 0.f;
    for (int w = width / 32 - 1; w >= 0; --w) {
      if (w > thread / 32) later += totals[w];
      all += totals[w];
    }
    if (t < length) out[t * d_gate.time] = x + later + after;
    after += all;
    __syncthreads();
  }
}

inline params make_params(const flash_shape& s, const flash_inputs& x) {
  params p{};
  p.batch = s.batch, p.heads = s.heads, p.time = s.time, p.tiles = static_cast<int>(tile_count(s)), p.offsets = s.offsets;
  p.q_share = share_of(x.q_group), p.k_share = share_of(x.k_group), p.v_share = share_of(x.v_group);
  p.group = static_cast<int>(std::max<int64_t>(1, std::min<int64_t>(s.batch * s.heads, (int64_t(32) << 20) / (s.time * s.n * 4))));
  p.scale = x.scale, p.constant = x.constant, p.gate = x.decay;
  return p;
}

/// A stream's map: boxes of `rows` rows and `panels` panels of columns.
inline CUtensorMap map_of(const flash_shape& s, const tensor& x, int group, int rows, int panels) {
  return ptx::tensor_map(x, s.batch, s.time, s.heads / group, s.n, rows, panels);
}

template <class F>
void with_packing(const flash_shape& s, F f) {
  s.offsets ? f.template operator()<true>() : f.template operator()<false>();
}

template <auto kernel>
void start(const params& p, uint32_t dynamic, cudaStream_t stream) {
  ptx::allow_shared<kernel>(dynamic);
  kernel<<<static_cast<unsigned>(int64_t(p.tiles) * p.batch * p.heads), threads, dynamic, stream>>>(p);
  checked(cudaGetLastError(), "flash");
}

}  // namespace flash

/// Bytes of the decay's workspace, and its filling from fp32 log decays [B, T, heads].
inline int64_t flash_decay_workspace(const flash_shape& s) { return flash::tile_count(s) * flash::tile * s.heads * s.batch * 4; }
inline void flash_decay(const flash_shape& s, const tensor& log_decay, float* workspace, cudaStream_t stream) {
  const int tiles = static_cast<int>(flash::tile_count(s));
  flash::gate_kernel<flash::tile><<<static_cast<unsigned>(int64_t(tiles) * s.heads * s.batch), flash::tile, 0, stream>>>(
      log_decay, workspace, s.time, s.heads, tiles, s.offsets);
  checked(cudaGetLastError(), "flash");
}

/// y and, where given, the rows' sums (batch, heads, time) that the backward needs: log2 of the sum for exp, else the sum.
template <int n, class phi, normaliser norm, bool decay = false>
void flash_forward(const flash_shape& s, const flash_inputs& x, const tensor& y, float* row_sum, cudaStream_t stream) {
  flash::params p = flash::make_params(s, x);
  p.q = flash::map_of(s, x.q, x.q_group, flash::tile, n / 64);
  p.k = flash::map_of(s, x.k, x.k_group, flash::tile, n / 64);
  p.v = flash::map_of(s, x.v, x.v_group, flash::tile, n / 64), p.summed0 = x.v;
  p.out0 = flash::map_of(s, y, 1, 64, 1), p.direct0 = y;
  p.row_sum = row_sum;
  flash::with_packing(s, [&]<bool packed>() {
    flash::start<flash::forward_kernel<n, flash::choices<phi, norm, decay, packed>>>(p, flash::forward_layout<n>::dynamic, stream);
  });
}

struct flash_gradients {
  tensor y, dy;                    // in, bf16 [B, T, heads, n]
  const float* row_sum = nullptr;  // in, from the forward
  tensor dq, dk, dv;               // bf16 [B, T, heads, n]: of shared streams the caller sums the heads
  tensor d_log_decay;              // fp32 [B, T, heads], where there is a decay
};

inline int64_t flash_backward_workspace(const flash_shape& s) { return int64_t(s.batch) * s.heads * s.time * 12; }

/// All gradients in two independent passes, one over queries and one over keys; no sums in memory, so no order to fix.
template <int n, class phi, normaliser norm, bool decay = false>
void flash_backward(const flash_shape& s, const flash_inputs& x, const flash_gradients& g, float* workspace, cudaStream_t stream) {
  flash::params p = flash::make_params(s, x);
  const int64_t rows = int64_t(s.batch) * s.heads * s.time;
  if (norm == normaliser::sum) {
    flash::delta_kernel<n><<<static_cast<unsigned>((rows + 31) / 32), 256, 0, stream>>>(g.y, g.dy, workspace, s.time, s.heads, rows);
    checked(cudaGetLastError(), "flash");
  }
  p.delta = workspace, p.row_gate = workspace + rows, p.column_gate = workspace + 2 * rows;
  p.row_sum = const_cast<float*>(g.row_sum);
  auto map = [&](const tensor& v, int group, int rows, int panels) { return flash::map_of(s, v, group, rows, panels); };
  p.k = map(x.k, x.k_group, flash::tile, n / 64), p.v = map(x.v, x.v_group, flash::tile, n / 64);
  p.q = map(x.q, x.q_group, flash::step, n / 64), p.dy = map(g.dy, 1, flash::step, n / 64), p.summed0 = x.q, p.summed1 = g.dy;
  p.out0 = map(g.dk, 1, 64, 1), p.out1 = map(g.dv, 1, 64, 1), p.direct0 = g.dk, p.direct1 = g.dv;
  flash::with_packing(s, [&]<bool packed>() {
    using chosen = flash::choices<phi, norm, decay, packed>;
    flash::start<flash::key_kernel<n, chosen>>(p, flash::key_layout<n>::dynamic, stream);
    p.q = map(x.q, x.q_group, flash::tile, n / 64), p.dy = map(g.dy, 1, flash::tile, n / 64), p.summed0 = x.k;
    p.out0 = map(g.dq, 1, 64, 1), p.direct0 = g.dq;
    flash::start<flash::query_kernel<n, chosen>>(p, flash::query_layout<n, decay>::dynamic, stream);
  });
  if constexpr (decay) {
    const int64_t sequences = s.offsets ? s.offsets.count - 1 : s.batch;
    flash::gate_gradient_kernel<1024><<<static_cast<unsigned>(sequences * s.heads), 1024, 0, stream>>>(
        p.row_gate, p.column_gate, g.d_log_decay, s.time, s.heads, s.offsets);
    checked(cudaGetLastError(), "flash");
  }
}

}  // namespace coefdyn::cuda
