// SPDX-License-Identifier: MIT
// Scalar-decay family for long sequences and few heads: exact segment summaries, a scan over them, then the sweep per segment.
#pragma once

#include "sweep.cuh"

namespace coefdyn::cuda {

/// Tokens of a segment, from the length alone, so that a batch row alone gives the same bits; 0: the sequence stays whole.
constexpr int64_t segment_length(int64_t time) { return time <= 16384 ? 0 : time <= 131072 ? 8192 : 16384; }

namespace segments {

/// Replaces summaries by the states that enter the segments: S <- total S + N, in time order or against it.
template <bool reverse>
__global__ void scan_kernel(sweep::sizes size, float* states, const float* totals, const float* first, int64_t elements) {
  const int per = static_cast<int>((elements / 4 + blockDim.x - 1) / blockDim.x), owner0 = blockIdx.x / per;
  const int64_t e = (static_cast<int64_t>(blockIdx.x % per) * blockDim.x + threadIdx.x) * 4;
  const int head = owner0 % size.heads, sequence = owner0 / size.heads;
  if (e >= elements) return;
  int64_t unit0 = static_cast<int64_t>(sequence) * size.units;
  int units = size.units;
  if (size.offsets) {
    unit0 = 0;
    for (int i = 0; i <= sequence; ++i) {
      units = sweep::units_of(size, size.offsets[i + 1] - size.offsets[i]);
      if (i < sequence) unit0 += units;
    }
  }
  float4 s = first ? *reinterpret_cast<const float4*>(first + owner0 * elements + e) : float4{};
#pragma unroll 4
  for (int i = 0; i < units; ++i) {
    const int64_t owner = (unit0 + (reverse ? units - 1 - i : i)) * size.heads + head;
    float4* at = reinterpret_cast<float4*>(states + owner * elements + e);
    const bool last = i + 1 == units;  // its own summary is not needed, and may not be there
    const float4 own = last ? float4{} : *at;
    const float decay = last ? 0.f : totals[owner];
    *at = s;
    s = make_float4(decay * s.x + own.x, decay * s.y + own.y, decay * s.z + own.z, decay * s.w + own.w);
  }
}

/// Extents of per-unit arrays in bytes: states (units, heads, n, d) and totals (units, heads).
template <int n, int d>
int64_t state_bytes(const sweep_shape& s, int64_t unit) {
  return sweep::unit_count(sweep::make_sizes(s, d, unit)) * s.heads * n * d * 4;
}
inline int64_t total_bytes(const sweep_shape& s, int64_t unit) {
  return (sweep::unit_count(sweep::make_sizes(s, 64, unit)) * s.heads * 4 + 255) / 256 * 256;
}

/// Summary of each segment: its state from zero (n, d), and the product of its decays. Reverse: of the gradient's sweep.
/// `entering`: without the sequence's last segment (reverse: the first), from which nothing enters another.
template <int n, int d>
void summarise(const sweep_shape& s, const sweep_inputs& x, const tensor& dy, int64_t unit, bool reverse, float* states, float* totals,
               cudaStream_t stream, bool entering = false) {
  sweep::params p{};
  p.size = sweep::make_sizes(s, d, unit), p.parts = 1, p.entering = entering;
  const sweep::tile_source none{{}, 64, 1}, q{x.q, n, x.q_group}, k{x.k, n, x.k_group}, v{x.v, d, x.v_group}, g{dy, d, 1};
  sweep::role r = sweep::make_role(s, none, reverse ? q : k, reverse ? g : v, {}, reverse);
  sweep::set_numbers(r, x, reverse);
  sweep::set_state<n, d>(r, false, nullptr, states);
  r.out_per_unit = true, r.carry_total = totals;
  p.part[0] = r;
  reverse ? sweep::start<n, false, false, true>(p, stream) : sweep::start<n, false, false, false>(p, stream);
}

/// States that enter the segments, given the summaries and the state that enters the sequence (or its gradient at the end).
template <int n, int d>
void scan(const sweep_shape& s, int64_t unit, bool reverse, float* states, const float* totals, const float* first, cudaStream_t stream) {
  const sweep::sizes e = sweep::make_sizes(s, d, unit);
  constexpr int64_t elements = n * d;
  const unsigned grid = static_cast<unsigned>((elements / 4 + 127) / 128) * static_cast<unsigned>(e.sequences) * s.heads;
  const auto kernel = reverse ? scan_kernel<true> : scan_kernel<false>;
  kernel<<<grid, 128, 0, stream>>>(e, states, totals, first, elements);
  checked(cudaGetLastError(), "segments");
}

}  // namespace segments

template <int n, int d>
int64_t segments_forward_workspace(const sweep_shape& s, int64_t unit) {
  return segments::state_bytes<n, d>(s, unit) + segments::total_bytes(s, unit);
}

/// As sweep_forward, cut into segments of `unit` tokens (a multiple of 256). The workspace keeps the states that enter the
/// segments, and may be given to segments_backward.
template <int n, int d>
void segments_forward(const sweep_shape& s, const sweep_inputs& x, const tensor& y, float* state_out, int64_t unit, void* workspace,
                      cudaStream_t stream) {
  float* const states = static_cast<float*>(workspace);
  float* const totals = states + segments::state_bytes<n, d>(s, unit) / 4;
  segments::summarise<n, d>(s, x, {}, unit, false, states, totals, stream, true);
  segments::scan<n, d>(s, unit, false, states, totals, x.state, stream);
  sweep::params p{};
  p.size = sweep::make_sizes(s, d, unit), p.parts = 1;
  p.part[0] = sweep::forward_role<n, d>(s, x, y);
  sweep::set_state<n, d>(p.part[0], false, states, state_out);
  p.part[0].in_per_unit = true;
  sweep::start<n, true, false, false>(p, stream);
}

template <int n, int d>
int64_t segments_backward_workspace(const sweep_shape& s, int64_t unit) {
  return sweep_backward_workspace<n, d>(s) + 2 * segments_forward_workspace<n, d>(s, unit) + 256;
}

/// Where the states that enter the segments are in a backward call: in `entered`, segments_forward's workspace, or else in its own.
template <int n, int d>
float* segments_entered(const sweep_shape& s, int64_t unit, const void* entered, void* workspace) {
  if (entered) return static_cast<float*>(const_cast<void*>(entered));
  return reinterpret_cast<float*>(static_cast<char*>(workspace) + segments_forward_workspace<n, d>(s, unit));
}

/// As sweep_backward, cut into segments. `entered` is segments_forward's workspace, or null to compute it again.
template <int n, int d, bool probe = true>
void segments_backward(const sweep_shape& s, const sweep_inputs& x, const sweep_gradients& g, int64_t unit, const void* entered,
                       void* workspace, cudaStream_t stream) {
  const int64_t one = segments_forward_workspace<n, d>(s, unit);
  char* const at = static_cast<char*>(workspace);
  float* const reverse = reinterpret_cast<float*>(at);
  float* const forward = segments_entered<n, d>(s, unit, entered, workspace);
  const int64_t totals = segments::state_bytes<n, d>(s, unit) / 4;
  if (!entered) {
    segments::summarise<n, d>(s, x, {}, unit, false, forward, forward + totals, stream, true);
    segments::scan<n, d>(s, unit, false, forward, forward + totals, x.state, stream);
  }
  segments::summarise<n, d>(s, x, g.dy, unit, true, reverse, reverse + totals, stream, true);
  segments::scan<n, d>(s, unit, true, reverse, reverse + totals, g.d_state_out, stream);
  sweep::backward<n, d, probe>(s, x, g, unit, {forward, reverse}, at + 2 * one, stream);
}

}  // namespace coefdyn::cuda
