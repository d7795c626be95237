// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "flash_forward.cuh"
#include "flash_gates.cuh"
#include "flash_key.cuh"
#include "flash_query.cuh"

/// Causal parallel form for any readout map, tiled, forward and backward: its calls.
namespace coefdyn::cuda {

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

struct flash_gradients {
  tensor y, dy;                    // in, bf16 [B, T, heads, n]
  const float* row_sum = nullptr;  // in, from the forward
  tensor dq, dk, dv;               // bf16 [B, T, heads, n]: of shared streams the caller sums the heads
  tensor d_log_decay;              // fp32 [B, T, heads], where there is a decay
};

namespace flash {

/// Tiles of a batch row, or a bound of those of all packed sequences.
inline int64_t tile_count(const flash_shape& s) { return hopper::piece_count<tile>(s.offsets, s.time); }

template <class params>
params make_params(const flash_shape& s, const flash_inputs& x) {
  params p{};
  p.batch = s.batch, p.heads = s.heads, p.time = s.time, p.tiles = static_cast<int>(tile_count(s)), p.offsets = s.offsets;
  p.q_share = share_of(x.q_group), p.k_share = share_of(x.k_group), p.v_share = share_of(x.v_group);
  p.group = static_cast<int>(std::max<int64_t>(1, std::min<int64_t>(s.batch * s.heads, (int64_t(32) << 20) / (s.time * s.n * 4))));
  p.scale = x.scale, p.constant = x.constant, p.gate = x.decay;
  return p;
}

/// A stream that kernels read in tiles of `rows` rows.
inline mapped read_in(const flash_shape& s, const tensor& x, int group, int rows) {
  return {tensor_map(x, s.batch, s.time, s.heads / group, s.n, rows, s.n / 64), x};
}
/// One that they write, a warpgroup's 64 rows and 64 columns at a time.
inline mapped written(const flash_shape& s, const tensor& x) { return {tensor_map(x, s.batch, s.time, s.heads, s.n, 64, 1), x}; }

template <class F>
void with_packing(const flash_shape& s, F f) {
  s.offsets ? f.template operator()<true>() : f.template operator()<false>();
}

template <auto kernel, class params>
void start(const params& p, uint32_t dynamic, cudaStream_t stream) {
  allow_shared<kernel>(dynamic);
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
  auto p = flash::make_params<flash::forward_params>(s, x);
  p.q = flash::read_in(s, x.q, x.q_group, flash::tile);
  p.k = flash::read_in(s, x.k, x.k_group, flash::tile);
  p.v = flash::read_in(s, x.v, x.v_group, flash::tile);
  p.y = flash::written(s, y), p.row_sum = row_sum;
  flash::with_packing(s, [&]<bool packed>() {
    flash::start<flash::forward_kernel<n, flash::choices<phi, norm, decay, packed>>>(p, flash::forward_layout<n>::dynamic, stream);
  });
}

inline int64_t flash_backward_workspace(const flash_shape& s) { return int64_t(s.batch) * s.heads * s.time * 12; }

/// All gradients in two independent passes, one over queries and one over keys; no sums in memory, so no order to fix.
template <int n, class phi, normaliser norm, bool decay = false>
void flash_backward(const flash_shape& s, const flash_inputs& x, const flash_gradients& g, float* workspace, cudaStream_t stream) {
  const int64_t rows = int64_t(s.batch) * s.heads * s.time;
  if (norm == normaliser::sum) {
    flash::delta_kernel<n><<<static_cast<unsigned>((rows + 31) / 32), 256, 0, stream>>>(g.y, g.dy, workspace, s.time, s.heads, rows);
    checked(cudaGetLastError(), "flash");
  }
  auto p = flash::make_params<flash::backward_params>(s, x);
  p.row_sum = g.row_sum, p.delta = workspace, p.row_gate = workspace + rows, p.column_gate = workspace + 2 * rows;
  p.k = flash::read_in(s, x.k, x.k_group, flash::tile), p.v = flash::read_in(s, x.v, x.v_group, flash::tile);
  p.dq = flash::written(s, g.dq), p.dk = flash::written(s, g.dk), p.dv = flash::written(s, g.dv);
  const auto rows_of = [&](int queries) { p.q = flash::read_in(s, x.q, x.q_group, queries), p.dy = flash::read_in(s, g.dy, 1, queries); };
  flash::with_packing(s, [&]<bool packed>() {
    using chosen = flash::choices<phi, norm, decay, packed>;
    rows_of(flash::step);
    flash::start<flash::key_kernel<n, chosen>>(p, flash::key_layout<n>::dynamic, stream);
    rows_of(flash::tile);
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
