// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "sweep_gates.cuh"
#include "sweep_kernel.cuh"

/// Scalar-decay family in one pass over time, state on chip, forward and backward: its calls.
namespace coefdyn::cuda {

/// Extents of a call. Packed sequences: batch is 1, time the number of all tokens.
struct sweep_shape {
  int batch = 1;
  int64_t time = 0;
  int heads = 0;                  // processed heads; streams may have fewer, see the groups
  sequence_offsets offsets = {};  // on the device, or empty
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

/// `n` columns of query and key.
template <int n, bool emit, bool probe, bool reverse>
void start(const params& p, cudaStream_t stream) {
  using L = layout<n, emit, probe>;
  constexpr auto kernel = sweep_kernel<n, emit, probe, reverse>;
  allow_shared<sweep_kernel<n, emit, probe, reverse>>(L::dynamic);
  const int64_t units = p.size.offsets ? p.size.units : static_cast<int64_t>(p.size.units) * p.size.batch;
  const int64_t grid = units * p.size.heads * p.parts * p.size.slices;
  if (grid == 0) return;
  kernel<<<static_cast<unsigned>(grid), threads, L::dynamic, stream>>>(p);
  checked(cudaGetLastError(), "sweep");
}

inline sizes make_sizes(const sweep_shape& s, int width, int64_t unit) {
  sizes e{};
  const int64_t longest = std::max<int64_t>(s.time, 1);
  e.rows = s.time, e.batch = s.batch, e.heads = s.heads, e.slices = width / 64;
  e.sequences = s.offsets ? static_cast<int>(s.offsets.count - 1) : s.batch;
  e.unit = unit ? unit : (longest + 255) / 256 * 256;
  e.units = static_cast<int>(s.offsets ? s.time / e.unit + e.sequences : (longest + e.unit - 1) / e.unit);
  e.offsets = s.offsets;
  return e;
}

/// Units in all: bound of the first extent of per-unit arrays.
inline int64_t unit_count(const sizes& e) { return e.offsets ? e.units : int64_t(e.units) * e.batch; }

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
  const sizes e = make_sizes(s, n, 0);
  auto up = [](int64_t x) { return (x + 255) / 256 * 256; };
  backward_layout w{};
  w.flux = up(2 * int64_t(e.slices) * s.heads * s.batch * s.time * 4);
  w.checkpoints = w.flux + up(int64_t(e.slices) * flux_block_count(e) * s.heads * 4);
  w.bytes = w.checkpoints + flux_block_count(e) * s.heads * int64_t(n) * d * 2;
  return w;
}

/// States at the starts of units, if the sequence is cut; see segments.cuh.
struct cut_states {
  const float *forward = nullptr, *reverse = nullptr;
};

/// Row dots of one of the two sweeps that probe.
inline int64_t dot_count(const sizes& e) { return int64_t(e.slices) * e.heads * e.batch * e.rows; }

/// Gradients of the numbers from what those sweeps left in the workspace.
template <int n, int d>
void number_gradients(const sweep_shape& s, const sweep_inputs& x, const sweep_gradients& g, int64_t unit, const void* workspace,
                      cudaStream_t stream) {
  const char* const at = static_cast<const char*>(workspace);
  gate_params t{};
  t.size = make_sizes(s, n, unit);
  t.query_slices = t.key_slices = n / 64;
  t.query_dots = reinterpret_cast<const float*>(at), t.key_dots = t.query_dots + dot_count(t.size);
  t.flux = reinterpret_cast<const float*>(at + backward_workspace<n, d>(s).flux);
  t.kappa = x.scaling, t.kappa_group = x.scaling_group;
  t.rho = x.read_factor, t.rho_group = x.read_group, t.rho_constant = x.scale;
  t.d_gate = g.d_log_decay, t.d_kappa = g.d_scaling, t.d_rho = g.d_read_factor;
  const int64_t blocks = flux_block_count(t.size) * s.heads;
  gate_kernel<flux_width><<<static_cast<unsigned>(blocks), flux_width, 0, stream>>>(t);
  checked(cudaGetLastError(), "sweep");
}

/// `probe`: whether gradients of numbers may be asked for.
template <int n, int d, bool probe>
void backward(const sweep_shape& s, const sweep_inputs& x, const sweep_gradients& g, int64_t unit, cut_states states, void* workspace,
              cudaStream_t stream) {
  const backward_layout w = backward_workspace<n, d>(s);
  char* const at = static_cast<char*>(workspace);
  const bool gates = probe && (g.d_log_decay.data || g.d_scaling.data || g.d_read_factor.data);
  const tile_source q{x.q, n, x.q_group}, k{x.k, n, x.k_group}, v{x.v, d, x.v_group}, dy{g.dy, d, 1};
  params p{};
  p.size = make_sizes(s, n, unit), p.parts = 1;
  const int64_t dots = dot_count(p.size);
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
  start<d, true, probe, false>(p, stream);
  const role dv = finish(make_role(s, k, q, dy, g.dv, true), true, false, nullptr);
  p.part[0] = finish(make_role(s, v, dy, q, g.dk, true), true, true, gates ? &k : nullptr);
  if (n == d) p.part[1] = dv, p.parts = 2;
  start<d, true, probe, true>(p, stream);
  if constexpr (n != d) {
    p.size = make_sizes(s, d, unit), p.part[0] = dv;
    start<n, true, probe, true>(p, stream);
  }
  if constexpr (probe)
    if (gates) number_gradients<n, d>(s, x, g, unit, workspace, stream);
}

/// dq alone, as `backward` gives it, with x.k for the keys that are added up: what bf16 loses of k and of dq is then relative to
/// x.k. `states`: x.k's, (sequences, or units where `unit` cuts them; heads, n, d), or absent.
template <int n, int d>
void query_gradient(const sweep_shape& s, const sweep_inputs& x, const tensor& dy, const tensor& dq, int64_t unit, const float* states,
                    cudaStream_t stream) {
  params p{};
  p.size = make_sizes(s, n, unit), p.parts = 1;
  role& r = p.part[0];
  r = make_role(s, {dy, d, 1}, {x.v, d, x.v_group}, {x.k, n, x.k_group}, dq, false);
  set_numbers(r, x, false);
  set_state<n, d>(r, true, states, nullptr);
  r.in_per_unit = unit > 0;
  start<d, true, false, false>(p, stream);
}

}  // namespace sweep

/// y and the final state, in one pass. n, d: 64 or 128.
template <int n, int d>
void sweep_forward(const sweep_shape& s, const sweep_inputs& x, const tensor& y, float* state_out, cudaStream_t stream) {
  sweep::params p{};
  p.size = sweep::make_sizes(s, d, 0), p.parts = 1;
  p.part[0] = sweep::forward_role<n, d>(s, x, y);
  sweep::set_state<n, d>(p.part[0], false, x.state, state_out);
  sweep::start<n, true, false, false>(p, stream);
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
