// SPDX-License-Identifier: MIT
#pragma once

#include "delta_invert.cuh"
#include "delta_kernel.cuh"
#include "sweep.cuh"

/// Scalar decay with a correction along the key: its calls.
namespace coefdyn::cuda {

/// What a sweep's inputs lack.
struct delta_inputs {
  tensor strength;   // beta, fp32 [B, T, heads]
  bf16* inverses;    // delta_inverse_count numbers of workspace
  int reader_group;  // heads of a state head
};
/// T of all chunks: bf16 [B, T, state heads, 64].
inline int64_t delta_inverse_count(const sweep_shape& s, int reader_group) {
  return s.batch * s.time * (s.heads / reader_group) * sweep::chunk;
}

namespace delta {

template <int n>
tensor invert(const sweep_shape& s, const sweep_inputs& x, const delta_inputs& c, cudaStream_t stream) {
  using L = invert_layout<n>;
  const int heads = s.heads / c.reader_group;
  const tensor out{c.inverses, s.time * heads * chunk, int64_t(heads) * chunk, chunk};
  invert_params p{};
  p.key = tensor_map(x.k, s.batch, s.time, s.heads / x.k_group, n, chunk, n / 64);
  p.gate = x.log_decay, p.strength = c.strength, p.inverse = out;
  p.heads = heads, p.key_group = x.k_group / c.reader_group, p.reader_group = c.reader_group;
  p.offsets = s.offsets, p.rows = s.time, p.pieces = static_cast<int>(hopper::piece_count<chunk>(s.offsets, s.time));
  allow_shared<invert_kernel<n>>(L::dynamic);
  invert_kernel<n><<<static_cast<unsigned>(int64_t(p.pieces) * s.batch * heads), 128, L::dynamic, stream>>>(p);
  checked(cudaGetLastError(), "invert");
  return out;
}

}  // namespace delta

/// y and the final state. n, d: 64 or 128.
template <int n, int d>
void delta_forward(const sweep_shape& s, const sweep_inputs& x, const delta_inputs& c, const tensor& y, float* state_out,
                   cudaStream_t stream) {
  using L = delta::layout<n>;
  const tensor inverse = delta::invert<n>(s, x, c, stream);
  delta::params p{};
  p.size = sweep::make_sizes(s, d, 0);
  p.r = sweep::forward_role<n, d>(s, x, y);
  sweep::set_state<n, d>(p.r, false, x.state, state_out);
  p.inverse = tensor_map(inverse, s.batch, s.time, s.heads / c.reader_group, 64, delta::chunk, 1), p.inverse_group = c.reader_group;
  p.strength = c.strength;
  allow_shared<delta::delta_kernel<n>>(L::dynamic);
  const int64_t units = p.size.offsets ? p.size.units : static_cast<int64_t>(p.size.units) * p.size.batch;
  delta::delta_kernel<n><<<static_cast<unsigned>(units * s.heads * p.size.slices), delta::threads, L::dynamic, stream>>>(p);
  checked(cudaGetLastError(), "delta");
}

}  // namespace coefdyn::cuda
