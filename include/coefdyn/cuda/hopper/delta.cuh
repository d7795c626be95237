// SPDX-License-Identifier: MIT
#pragma once

#include "delta_chunk.cuh"
#include "delta_invert.cuh"
#include "delta_kernel.cuh"
#include "delta_reverse.cuh"
#include "sweep.cuh"

/// Scalar decay with a correction along the key: its calls.
namespace coefdyn::cuda {

/// What a sweep's inputs lack.
struct delta_inputs {
  tensor strength;   // beta, fp32 [B, T, heads]
  bf16* inverses;    // delta_inverse_count numbers of workspace; twice as many for or by a backward pass
  int reader_group;  // heads of a state head
};
/// T of all chunks: bf16 [B, T, state heads, 64].
inline int64_t delta_inverse_count(const sweep_shape& s, int reader_group) {
  return s.batch * s.time * (s.heads / reader_group) * sweep::chunk;
}

namespace delta {

/// T - 1 of all chunks, and what its rounding leaves out.
struct inverses {
  tensor rounded, rest;
};
/// Where they lie; `two`: the rest as well, behind.
inline inverses inverses_of(const sweep_shape& s, const delta_inputs& c, bool two) {
  const int heads = s.heads / c.reader_group;
  const auto rows = [&](bf16* p) { return tensor{p, s.time * heads * chunk, int64_t(heads) * chunk, chunk}; };
  return {rows(c.inverses), two ? rows(c.inverses + delta_inverse_count(s, c.reader_group)) : tensor{}};
}
template <int n, bool two>
void invert(const sweep_shape& s, const sweep_inputs& x, const delta_inputs& c, cudaStream_t stream) {
  using L = invert_layout<n, two>;
  const inverses out = inverses_of(s, c, two);
  invert_params p{};
  p.heads = s.heads / c.reader_group, p.key_group = x.k_group / c.reader_group, p.reader_group = c.reader_group;
  p.key = tensor_map(x.k, s.batch, s.time, s.heads / x.k_group, n, chunk, n / 64);
  p.gate = x.log_decay, p.strength = c.strength, p.inverse = out.rounded, p.rest = out.rest;
  p.offsets = s.offsets, p.rows = s.time, p.pieces = static_cast<int>(hopper::piece_count<chunk>(s.offsets, s.time));
  allow_shared<invert_kernel<n, two>>(L::dynamic);
  invert_kernel<n, two><<<static_cast<unsigned>(int64_t(p.pieces) * s.batch * p.heads), 128, L::dynamic, stream>>>(p);
  checked(cudaGetLastError(), "invert");
}

/// One pass over time: `kernel` takes the role and T.
template <auto kernel, uint32_t shared>
void pass(const sweep_shape& s, const delta_inputs& c, const sweep::role& r, const inverses& inverse, int width, unsigned char* states,
          cudaStream_t stream) {
  params p{};
  p.states = states;
  p.size = sweep::make_sizes(s, width, 0), p.r = r;
  const auto map = [&](const tensor& t) { return tensor_map(t, s.batch, s.time, s.heads / c.reader_group, 64, chunk, 1); };
  p.inverse = map(inverse.rounded), p.inverse_group = c.reader_group;
  if (inverse.rest.data) p.rest = map(inverse.rest);
  p.strength = c.strength;
  allow_shared<kernel>(shared);
  const int64_t units = p.size.offsets ? p.size.units : static_cast<int64_t>(p.size.units) * p.size.batch;
  kernel<<<static_cast<unsigned>(units * s.heads * p.size.slices), threads, shared, stream>>>(p);
  checked(cudaGetLastError(), "delta");
}

}  // namespace delta

/// y and the final state. n, d: 64 or 128. `keeps`: leaves what a backward pass needs of the inverses.
template <int n, int d>
void delta_forward(const sweep_shape& s, const sweep_inputs& x, const delta_inputs& c, const tensor& y, float* state_out, bool keeps,
                   cudaStream_t stream) {
  keeps ? delta::invert<n, true>(s, x, c, stream) : delta::invert<n, false>(s, x, c, stream);
  const delta::inverses inverse = delta::inverses_of(s, c, false);
  sweep::role r = sweep::forward_role<n, d>(s, x, y);
  sweep::set_state<n, d>(r, false, x.state, state_out);
  delta::pass<delta::delta_kernel<n, delta::gives::rows>, delta::layout<n, delta::gives::rows>::dynamic>(s, c, r, inverse, d, nullptr,
                                                                                                         stream);
}

/// Workspace of the backward pass, beside T.
struct delta_workspace {
  bf16 *written, *dx;                 // [B, T, heads, 2 d] (w and what its rounding leaves out) and d
  unsigned char *states, *gradients;  // delta_state_bytes each
  delta::row_sums sums;               // n / 64 slices each
};
/// Of a bf16 state before every chunk.
inline int64_t delta_state_bytes(const sweep_shape& s, int n, int d) {
  return hopper::piece_count<sweep::chunk>(s.offsets, s.time) * s.batch * s.heads * n * d * 2;
}

namespace delta {

/// [B, T, heads, width] in the workspace.
inline tensor rows_of(const sweep_shape& s, bf16* p, int width) { return {p, s.time * s.heads * width, int64_t(s.heads) * width, width}; }

/// dq, dk and sums of rows, chunk by chunk.
template <int n, int d>
void chunks(const sweep_shape& s, const sweep_inputs& x, const delta_inputs& c, const sweep_gradients& g, const delta_workspace& w,
            cudaStream_t stream) {
  using L = chunk_layout<d>;
  chunk_params p{};
  const auto rows = [&](const tensor& t, int width) { return tensor_map(t, s.batch, s.time, s.heads, width, chunk, d / 64); };
  const auto slice = [&](const tensor& t, int group) { return tensor_map(t, s.batch, s.time, s.heads / group, n, chunk, 1); };
  p.dy = rows(g.dy, d), p.dx = rows(rows_of(s, w.dx, d), d), p.written = rows(rows_of(s, w.written, 2 * d), 2 * d);
  p.q = slice(x.q, x.q_group), p.k = slice(x.k, x.k_group), p.dq = slice(g.dq, 1), p.dk = slice(g.dk, 1);
  p.out[0] = g.dq, p.out[1] = g.dk, p.states = w.states, p.gradients = w.gradients;
  p.gate = x.log_decay, p.strength = c.strength, p.read_factor = x.read_factor, p.scale = x.scale;
  p.heads = s.heads, p.slices = n / 64, p.query_group = x.q_group, p.key_group = x.k_group;
  p.offsets = s.offsets, p.batches = s.batch, p.rows = s.time;
  p.pieces = static_cast<int>(hopper::piece_count<chunk>(s.offsets, s.time)), p.sums = w.sums;
  allow_shared<chunk_kernel<d>>(L::dynamic);
  chunk_kernel<d><<<static_cast<unsigned>(int64_t(p.pieces) * s.batch * s.heads * p.slices), chunk_threads, L::dynamic, stream>>>(p);
  checked(cudaGetLastError(), "delta chunks");
}

/// dv and the gradients of numbers from what is left.
inline void finish(const sweep_shape& s, const sweep_inputs& x, const delta_inputs& c, const sweep_gradients& g, const tensor& d_strength,
                   const delta_workspace& w, int n, int d, cudaStream_t stream) {
  finish_params f{};
  f.d = d, f.heads = s.heads, f.value_group = x.v_group, f.slices = n / 64, f.time = s.time, f.rows = s.batch * s.time * s.heads;
  f.dx = rows_of(s, w.dx, d), f.v = x.v, f.written = rows_of(s, w.written, 2 * d), f.sums = w.sums;
  f.read_factor = x.read_factor, f.scaling = x.scaling, f.strength = c.strength, f.write_scale = x.write_scale;
  f.dv = g.dv, f.d_gate = g.d_log_decay, f.d_read_factor = g.d_read_factor, f.d_scaling = g.d_scaling, f.d_strength = d_strength;
  finish_kernel<<<static_cast<unsigned>((f.rows + 15) / 16), 256, 0, stream>>>(f);
  checked(cudaGetLastError(), "delta gradients");
}

}  // namespace delta

/// All gradients; those of beta go to d_strength. `kept`: a forward pass has left its inverses. First what was written and the states,
/// again, then in reverse the gradients of both; with these every chunk is by itself.
template <int n, int d>
void delta_backward(const sweep_shape& s, const sweep_inputs& x, const delta_inputs& c, const sweep_gradients& g, const tensor& d_strength,
                    const delta_workspace& w, bool kept, cudaStream_t stream) {
  using delta::gives;
  if (!kept) delta::invert<n, true>(s, x, c, stream);
  const delta::inverses inverse = delta::inverses_of(s, c, true);
  const tensor written = delta::rows_of(s, w.written, 2 * d);
  sweep::role r = sweep::forward_role<n, d>(s, x, written);
  r.out = tensor_map(written, s.batch, s.time, s.heads, 2 * d, sweep::chunk, 1);
  sweep::set_state<n, d>(r, false, x.state, nullptr);
  delta::pass<delta::delta_kernel<n, gives::writes>, delta::layout<n, gives::writes>::dynamic>(s, c, r, inverse, d, w.states, stream);
  r = sweep::make_role(s, {x.q, n, x.q_group}, {x.k, n, x.k_group}, {g.dy, d, 1}, delta::rows_of(s, w.dx, d), true);
  sweep::set_numbers(r, x, false);
  sweep::set_state<n, d>(r, false, g.d_state_out, g.d_state);
  delta::pass<delta::reverse_kernel<n>, delta::layout<n, gives::gradient>::dynamic>(s, c, r, inverse, d, w.gradients, stream);
  delta::chunks<n, d>(s, x, c, g, w, stream);
  delta::finish(s, x, c, g, d_strength, w, n, d, stream);
}

}  // namespace coefdyn::cuda
