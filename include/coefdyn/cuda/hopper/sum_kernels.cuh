// SPDX-License-Identifier: MIT
#pragma once
#include "block_scan.cuh"
#include "hopper.cuh"
#include "units.cuh"

/// eta_i from the sum q_i' z_i, z_t = gamma_t z_{t-1} + b_t k_t, for the scalar family by the Hopper sweeps, which take 1 / eta_i as a
/// factor on rows and give its gradient. Time is cut into units; a summary of each, a scan over the summaries, then all units at
/// once, forward and in reverse (x_{t-1} = gamma_t (s_t q_t + x_t), s_t the gradient of the sum): fp32, sums in a fixed order, no
/// exponent above zero, z kept at the ends of units only.
///
/// Features that are nearly alike in all channels make dq a small difference of large terms, D_i = r_i sum_j (..) k_j and s_i z_i, which
/// bf16 rows of k and D would lose. So k_j = k'_j + origin and D_i = D'_i + a_i: D'_i comes from a sweep of its own over k', the number
/// a_i from q_i' D_i, which the first sweep gives unrounded. Whatever that sweep rounded, q_i' dq_i stays 0 for a plain sum.
namespace coefdyn::cuda::sums {

using sweep::unit_span;

/// Tokens of a unit, from the length alone.
constexpr int64_t unit_length(int64_t time) { return time <= 16384 ? 256 : 1024; }
inline constexpr int chunk = 32;  // tokens of a round of a block

/// What the passes read. Numbers are fp32 [B, T, P].
struct inputs {
  sweep::sizes size;
  tensor q, k;  // bf16 [B, T, P / group, n], k less `origin` in every channel
  int q_group, k_group;
  float origin;
  const float *log_decay, *scale;  // log decay and b, or null: 0 and 1
  float scale_constant;            // multiplies b
  __device__ int64_t at(const unit_span& s, int head, int token) const { return (s.batch * size.rows + s.row + token) * size.heads + head; }
};

/// The thread's own two channels of the rows of one head in a span.
struct channels {
  bf16* p;
  int64_t stride;
  __device__ channels(const tensor& x, const unit_span& s, int head)
      : p(static_cast<bf16*>(x.data) + s.batch * x.batch + s.row * x.time + head * x.head + 2 * threadIdx.x), stride(x.time) {}
  __device__ float2 load(int token) const {
    const uint32_t w = *reinterpret_cast<const uint32_t*>(p + token * stride);
    return make_float2(__uint_as_float(w << 16), __uint_as_float(w & 0xffff0000u));
  }
  __device__ void store(int token, float2 x) const {
    *reinterpret_cast<uint32_t*>(p + token * stride) = bf16(x.x).bits | uint32_t(bf16(x.y).bits) << 16;
  }
};
__device__ inline float dot(float2 a, float2 b) { return a.x * b.x + a.y * b.y; }
/// (f x + w y) + c w in both channels.
__device__ inline float2 combine(float f, float2 x, float w, float2 y, float c = 0) {
  return make_float2(f * x.x + w * (y.x + c), f * x.y + w * (y.y + c));
}

/// Numbers of a round's tokens.
struct numbers_of_round {
  float decay[chunk], b[chunk], slope[chunk];
  __device__ void read(const inputs& x, const unit_span& s, int head, int first, int count, const float* slopes) {
    const int t = threadIdx.x;
    if (t < count) {
      const int64_t i = x.at(s, head, first + t);
      decay[t] = x.log_decay ? expf(x.log_decay[i]) : 1.f;
      b[t] = (x.scale ? x.scale[i] : 1.f) * x.scale_constant;
      slope[t] = slopes ? slopes[i] : 0.f;
    }
    __syncthreads();
  }
};
/// f(first, count) for the rounds of a span, in order or against it; what a round left in shared memory has been read by then.
template <bool reverse, class F>
__device__ __forceinline__ void each_round(const unit_span& s, F f) {
  const int rounds = (s.count + chunk - 1) / chunk;
  for (int i = 0; i < rounds; ++i) {
    const int first = (reverse ? rounds - 1 - i : i) * chunk;
    __syncthreads();
    f(first, min(chunk, s.count - first));
  }
}
/// f(i, rows at token first + i) for i below `count`, in order or against it; rows are loaded ahead of their use.
template <bool reverse, class F, class... Rows>
__device__ __forceinline__ void each_token(int first, int count, F f, const Rows&... rows) {
  constexpr int ahead = 8;
  const auto token = [&](int i) { return reverse ? count - 1 - min(i, count - 1) : min(i, count - 1); };
  for (int begin = 0; begin < count; begin += ahead) {
    float2 loaded[ahead][sizeof...(Rows)];
#pragma unroll
    for (int u = 0; u < ahead; ++u) {
      int r = 0;
      ((loaded[u][r++] = rows.load(first + token(begin + u))), ...);
    }
#pragma unroll
    for (int u = 0; u < ahead; ++u)
      if (begin + u < count) f(token(begin + u), loaded[u]);
  }
}
/// Numbers that the threads, one for two channels, add up for each token of a round.
template <int n>
struct part_sums {
  float part[chunk][n / 2 + 1];
  __device__ float& mine(int token) { return part[token][threadIdx.x]; }
  __device__ float total(int token) const {
    float sum = 0;
    for (int c = 0; c < n / 2; ++c) sum += part[token][c];
    return sum;
  }
};
template <int n, class R>
__device__ auto& state_at(R* states, int64_t owner) {
  using pair = std::conditional_t<std::is_const_v<R>, const float2, float2>;
  return reinterpret_cast<pair*>(states + owner * n)[threadIdx.x];
}

/// A unit's z from zero, in reverse its x before the first token, and the product of its decays: [units, P, n], [units, P]. Units from
/// which nothing enters another have none.
template <int n, bool reverse>
__global__ __launch_bounds__(n / 2) void summary_kernel(const __grid_constant__ inputs x, const float* slopes, float* states,
                                                        float* totals) {
  __shared__ numbers_of_round m;
  const int head = blockIdx.x % x.size.heads;
  unit_span s;
  if (!sweep::locate(x.size, blockIdx.x / x.size.heads, s) || (reverse ? s.first == 0 : s.ends())) return;
  const channels rows = reverse ? channels(x.q, s, head / x.q_group) : channels(x.k, s, head / x.k_group);
  float2 z{};
  float total = 1;
  each_round<reverse>(s, [&](int first, int count) {
    m.read(x, s, head, first, count, slopes);
    each_token<reverse>(
        first, count,
        [&](int t, const float2* row) {
          const float decay = m.decay[t];
          z = reverse ? combine(decay, z, decay * m.slope[t], row[0]) : combine(decay, z, m.b[t], row[0], x.origin);
          total *= decay;
        },
        rows);
  });
  const int64_t owner = int64_t(s.unit) * x.size.heads + head;
  state_at<n>(states, owner) = z;
  if (threadIdx.x == 0) totals[owner] = total;
}

/// Sums of all rows and the z that leaves each sequence, [N, P, n] or null, from the z that enters the units.
template <int n>
__global__ __launch_bounds__(n / 2) void sum_kernel(const __grid_constant__ inputs x, const float* entering, float* sums, float* final) {
  __shared__ numbers_of_round m;
  __shared__ part_sums<n> scores;
  const int head = blockIdx.x % x.size.heads;
  unit_span s;
  if (!sweep::locate(x.size, blockIdx.x / x.size.heads, s)) return;
  const channels q(x.q, s, head / x.q_group), k(x.k, s, head / x.k_group);
  float2 z = state_at<n>(entering, int64_t(s.unit) * x.size.heads + head);
  each_round<false>(s, [&](int first, int count) {
    m.read(x, s, head, first, count, nullptr);
    each_token<false>(
        first, count,
        [&](int t, const float2* row) {
          z = combine(m.decay[t], z, m.b[t], row[1], x.origin);
          scores.mine(t) = dot(row[0], z);
        },
        q, k);
    __syncthreads();
    if (int(threadIdx.x) < count) sums[x.at(s, head, first + threadIdx.x)] = scores.total(threadIdx.x);
  });
  if (final && s.ends()) state_at<n>(final, int64_t(s.sequence) * x.size.heads + head) = z;
}

/// What the backward passes read beside: of each row the factor 1 / eta and its gradient, the gradient of its sum.
struct row_gradients {
  const float *factor, *d_factor, *slope;
};

/// dq <- D' + a + s z in place, and the units' fluxes z' x [units, P] at their ends. `leaving`: x that enters the units from behind.
template <int n>
__global__ __launch_bounds__(n / 2) void query_kernel(const __grid_constant__ inputs x, row_gradients g, const float* entering,
                                                      const float* leaving, const __grid_constant__ tensor d_query, float* flux) {
  __shared__ numbers_of_round m;
  __shared__ part_sums<n> read, whole;
  __shared__ float common[chunk];  // a
  const int head = blockIdx.x % x.size.heads;
  unit_span s;
  if (!sweep::locate(x.size, blockIdx.x / x.size.heads, s)) return;
  const channels q(x.q, s, head / x.q_group), k(x.k, s, head / x.k_group), dq(d_query, s, head);
  const int64_t owner = int64_t(s.unit) * x.size.heads + head;
  float2 z = state_at<n>(entering, owner);
  each_round<false>(s, [&](int first, int count) {
    m.read(x, s, head, first, count, g.slope);
    if (x.origin != 0.f) {
      each_token<false>(
          first, count, [&](int t, const float2* row) { read.mine(t) = dot(row[0], row[1]), whole.mine(t) = row[0].x + row[0].y; }, q, dq);
      __syncthreads();
      const int t = threadIdx.x;
      if (t < count) {
        const int64_t i = x.at(s, head, first + t);
        const float ones = whole.total(t);
        common[t] = ones == 0.f || g.factor[i] == 0.f ? 0.f : (g.d_factor[i] * g.factor[i] - read.total(t)) / ones;
      }
      __syncthreads();
    }
    each_token<false>(
        first, count,
        [&](int t, const float2* row) {
          z = combine(m.decay[t], z, m.b[t], row[0], x.origin);
          const float a = x.origin != 0.f ? common[t] : 0.f;
          dq.store(first + t, combine(1.f, make_float2(row[1].x + a, row[1].y + a), m.slope[t], z));
        },
        k, dq);
  });
  __syncthreads();
  read.mine(0) = dot(z, state_at<n>(leaving, owner));
  __syncthreads();
  if (threadIdx.x == 0) flux[owner] = read.total(0);
}

/// dk += b w in place, w_t = s_t q_t + x_t; to the gradients of b and of the log decay, arrays or null, k' w and gamma_t z_{t-1}' w, the
/// latter as what is left of the flux at the unit's end; and the x before each sequence, [N, P, n] or null.
template <int n>
__global__ __launch_bounds__(n / 2) void key_kernel(const __grid_constant__ inputs x, const float* sums, const float* slopes,
                                                    const float* leaving, const float* flux, const __grid_constant__ tensor d_key,
                                                    float* d_scale, float* d_gate, float* initial) {
  __shared__ numbers_of_round m;
  __shared__ part_sums<n> written;
  const int head = blockIdx.x % x.size.heads;
  unit_span s;
  if (!sweep::locate(x.size, blockIdx.x / x.size.heads, s)) return;
  const channels q(x.q, s, head / x.q_group), k(x.k, s, head / x.k_group), dk(d_key, s, head);
  const int64_t owner = int64_t(s.unit) * x.size.heads + head;
  float2 before = state_at<n>(leaving, owner);
  float crossing = flux[owner];  // of the first warp: z' x between this round and the one behind
  each_round<true>(s, [&](int first, int count) {
    m.read(x, s, head, first, count, slopes);
    each_token<true>(
        first, count,
        [&](int t, const float2* row) {
          const float2 w = combine(1.f, before, m.slope[t], row[0]);
          written.mine(t) = dot(make_float2(row[1].x + x.origin, row[1].y + x.origin), w);
          dk.store(first + t, combine(1.f, row[2], m.b[t], w));
          before = make_float2(m.decay[t] * w.x, m.decay[t] * w.y);
        },
        q, k, dk);
    __syncthreads();
    if (threadIdx.x < 32) {
      const int t = threadIdx.x;
      const int64_t i = x.at(s, head, first + min(t, count - 1));
      const float kw = t < count ? written.total(t) : 0.f;
      float delta = t < count ? m.slope[t] * sums[i] - m.b[t] * kw : 0.f;
      delta = hopper::sum_from_end(delta, t);
      delta += crossing;
      crossing = __shfl_sync(~0u, delta, 0);
      if (t < count && d_gate) d_gate[i] += delta;
      if (t < count && d_scale) d_scale[i] += kw;
    }
  });
  if (initial && s.first == 0) state_at<n>(initial, int64_t(s.sequence) * x.size.heads + head) = before;
}

/// Factors 1 / eta of rows with these sums; a row without weights has 0.
template <class M>
__global__ void factor_kernel(token<float, list<>> at, const float* sums, float* factor, idx count) {
  for (idx i = idx(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += idx(gridDim.x) * blockDim.x) {
    const float f = inverse_eta<typename M::normalization>(sums[i], 0.f, at);
    factor[i] = empty_row<M>(sums[i], f) ? 0.f : f;
  }
}
/// Gradients of the sums from those of the factors.
template <class M>
__global__ void slope_kernel(lifted_token<float, void, seed::none, list<>> at, const float* sums, const float* factor,
                             const float* d_factor, float* slope, idx count) {
  for (idx i = idx(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += idx(gridDim.x) * blockDim.x)
    slope[i] = factor[i] == 0.f ? 0.f : inverse_slope<typename M::normalization>(sums[i], 0.f, at, d_factor[i]);
}
/// States (n, d) less the mean of each column: a state's own a_i, which q_i' D_i gives too.
static __global__ void centre_kernel(const float* in, float* out, int n, int d) {
  in += idx(blockIdx.x) * n * d, out += idx(blockIdx.x) * n * d;
  for (int v = threadIdx.x; v < d; v += blockDim.x) {
    float mean = 0;
    for (int c = 0; c < n; ++c) mean += in[c * d + v];
    mean /= float(n);
    for (int c = 0; c < n; ++c) out[c * d + v] = in[c * d + v] - mean;
  }
}

}  // namespace coefdyn::cuda::sums
