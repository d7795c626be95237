// SPDX-License-Identifier: MIT
#pragma once

#include "channel_kernel.cuh"
#include "sweep.cuh"

/// A decay per channel without a correction: its call.
namespace coefdyn::cuda {

/// What a sweep's inputs lack.
struct channel_inputs {
  tensor gate;  // log decays, fp32 [B, T, heads / gate_group, n], <= 0
  int gate_group = 1;
  bool complement = false;          // what is written is multiplied by 1 - exp(gate), per channel
  unsigned char* pieces = nullptr;  // channel_bytes of workspace
};
/// Of all chunks made ahead.
inline int64_t channel_bytes(const sweep_shape& s, int n) {
  const int64_t bytes = n == 128 ? channel::piece<128>::bytes : channel::piece<64>::bytes;
  return hopper::piece_count<channel::chunk>(s.offsets, s.time) * s.batch * s.heads * bytes;
}

namespace channel {

template <int n, bool complement>
void prepare(const sweep_shape& s, const sweep_inputs& x, const channel_inputs& c, cudaStream_t stream) {
  prepare_params p{};
  p.q = x.q, p.k = x.k, p.gate = c.gate;
  p.query_group = x.q_group, p.key_group = x.k_group, p.gate_group = c.gate_group;
  p.read = x.scale, p.write = x.write_scale, p.pieces = c.pieces, p.heads = s.heads;
  p.count = static_cast<int>(hopper::piece_count<chunk>(s.offsets, s.time)), p.offsets = s.offsets, p.rows = s.time;
  allow_shared<prepare_kernel<n, complement>>(prepare_layout<n>::dynamic);
  prepare_kernel<n, complement>
      <<<static_cast<unsigned>(int64_t(p.count) * s.batch * s.heads), prepare_threads, prepare_layout<n>::dynamic, stream>>>(p);
  checked(cudaGetLastError(), "channel prepare");
}

}  // namespace channel

/// y and the final state. n, d: 64 or 128. Of the inputs' numbers only the constants are read.
template <int n, int d>
void channel_forward(const sweep_shape& s, const sweep_inputs& x, const channel_inputs& c, const tensor& y, float* state_out,
                     cudaStream_t stream) {
  c.complement ? channel::prepare<n, true>(s, x, c, stream) : channel::prepare<n, false>(s, x, c, stream);
  channel::params p{};
  p.size = sweep::make_sizes(s, d, 0), p.pieces = c.pieces;
  p.r.value = tensor_map(x.v, s.batch, s.time, s.heads / x.v_group, d, sweep::chunk, 1), p.r.value_group = x.v_group;
  p.r.out = tensor_map(y, s.batch, s.time, s.heads, d, sweep::chunk, 1), p.r.direct_out = y;
  sweep::set_state<n, d>(p.r, false, x.state, state_out);
  allow_shared<channel::channel_kernel<n>>(channel::layout<n>::dynamic);
  const int64_t units = p.size.offsets ? p.size.units : static_cast<int64_t>(p.size.units) * p.size.batch;
  channel::channel_kernel<n>
      <<<static_cast<unsigned>(units * s.heads * p.size.slices), sweep::threads, channel::layout<n>::dynamic, stream>>>(p);
  checked(cudaGetLastError(), "channel");
}

}  // namespace coefdyn::cuda
