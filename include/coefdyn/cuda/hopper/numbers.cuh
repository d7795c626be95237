// SPDX-License-Identifier: MIT
#pragma once
#include "../engine/frame.cuh"
#include "../kernels.hpp"

/// The numbers of a mixer whose decay, angles, scaling and normalization see no row (`basis`): made for all tokens ahead of the
/// Hopper kernels, which take arrays, and their gradients given back to the streams by dual numbers. Constant rotations turn the
/// rows of q and k ahead: q_i' R(P_i - P_j) k_j = (R(-P_i) q_i)' (R(-P_j) k_j), P_i = i times the angle.
///
/// Arrays are fp32 [B, T, P], P processed heads: one for each reading head, which has its state head's log decay and scaling.
namespace coefdyn::cuda::numbers {

/// Log decay g, scaling b, factor r = 1 / eta on the read, strength of the correction with its sign turned (a Householder's beta).
/// Null: not wanted, or a constant.
struct arrays {
  float *log_decay = nullptr, *scale = nullptr, *read = nullptr, *strength = nullptr;
};
template <class M>
arrays take(generic::memory& a, const extents& e) {
  const idx count = e.batch * e.time * e.readers;
  arrays x;
  if (kinds<M>::decay) x.log_decay = a.template take<float>(count);
  if (kinds<M>::scale) x.scale = a.template take<float>(count);
  if (kinds<M>::read) x.read = a.template take<float>(count);
  if (kinds<M>::strength) x.strength = a.template take<float>(count);
  return x;
}

// The streams in gate precision: numbers and rows.
template <class Out, class... Need>
struct only_numbers {
  using type = Out;
};
template <class... Out, class H, class... T>
struct only_numbers<list<Out...>, H, T...>
    : only_numbers<std::conditional_t<(H::inner == width::scalar || H::tag::held_in == precision::gate) && H::over == field::real,
                                      list<Out..., H>, list<Out...>>,
                   T...> {};
template <class L>
struct numbers_of;
template <class... Need>
struct numbers_of<list<Need...>> : only_numbers<list<>, Need...> {};
template <class X>
using state_numbers = typename numbers_of<state_needs<typename X::needs>>::type;
template <class X>
using reader_numbers = typename numbers_of<reader_needs<typename X::needs>>::type;

/// Where one token of a processed head is.
struct spot {
  idx batch, time, token, position;  // token: of its sequence
  cpu::head_index head;
};
/// Token `index` of [B, T, P]. `start`: positions of the states that enter, or empty.
template <class X>
__device__ spot spot_at(const X& x, const extents& e, const view<const idx, 1>& start, idx index) {
  const int p = int(index % e.readers);
  const idx row = index / e.readers, t = row % e.time, batch = row / e.time;
  idx sequence = batch, begin = 0;
  if (x.cu_seqlens) {  // the last sequence that begins at t or before and is not empty
    idx low = 0, high = e.sequences;
    while (high - low > 1) {
      const idx middle = (low + high) / 2;
      (x.cu_seqlens[middle] <= t ? low : high) = middle;
    }
    sequence = low, begin = x.cu_seqlens[low];
  }
  return {batch, t, t - begin, t - begin + (start.data ? start(sequence) : 0), {p / cpu::readers_per_state(e), p}};
}
template <class Need, class X>
__device__ auto value_at(const X& x, const extents& e, const spot& s) {
  idx inner[2];
  const auto* p = cpu::row_pointer<Need>(x.template of<Need>(), s.batch, s.time, cpu::head_of<Need>(s.head, e), inner);
  if constexpr (Need::inner_rank == 0) return cpu::converted<float>(*p);
  else if constexpr (Need::inner_rank == 1) return row<float>{p, inner[0]};
  else return matrix<float>{p, inner[0], inner[1]};
}
template <class Need, bool Seeded, class X>
__device__ auto dual_at(const X& x, const extents& e, const spot& s) {
  const auto v = value_at<Need>(x, e, s);
  if constexpr (Need::inner_rank == 0) return dual<float>(v, float(Seeded));
  else if constexpr (Need::inner_rank == 1) return lifted_row<float, seed::none>{v.p, v.stride, 0};
  else return lifted_matrix<float, seed::none>{v.p, v.stride_row, v.stride_column, e.n, 0};
}
template <class X, class... Need>
__device__ token<float, list<Need...>> token_at(const X& x, const extents& e, const spot& s, list<Need...>) {
  return {{value_at<Need>(x, e, s)}..., {s.position, e.n, e.d, 0}};
}
/// With the number `Tag` seeded.
template <class Tag, class X, class... Need>
__device__ lifted_token<float, Tag, seed::none, list<Need...>> lifted_at(const X& x, const extents& e, const spot& s, list<Need...>) {
  return {{dual_at<Need, std::is_same_v<Tag, typename Need::tag>>(x, e, s)}..., {s.position, e.n, e.d, 0}};
}
/// A token that has sizes only, for what depends on no more.
inline token<float, list<>> sizes_of(const extents& e) { return {{0, e.n, e.d, 0}}; }
/// b and 1 / eta where they are constants, else 1.
template <class M>
float constant_scale(const extents& e) {
  if constexpr (kinds<M>::scale) return 1;
  else return float(M::scaling::scale(sizes_of(e)));
}
template <class M>
float constant_read(const extents& e) {
  if constexpr (kinds<M>::read || traits<M>::needs_sum) return 1;
  else return inverse_eta<typename M::normalization>(0.f, 0.f, sizes_of(e));
}

template <class M, class X>
__global__ void number_kernel(const __grid_constant__ X x, const __grid_constant__ extents e, view<const idx, 1> start, arrays out) {
  const idx count = e.batch * e.time * e.readers;
  for (idx i = idx(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += idx(gridDim.x) * blockDim.x) {
    const spot s = spot_at(x, e, start, i);
    if constexpr (kinds<M>::decay || kinds<M>::scale || kinds<M>::strength) {
      const auto at = token_at(x, e, s, state_numbers<X>{});
      if constexpr (kinds<M>::decay) out.log_decay[i] = float(log_decay_of<typename M::evolution>(at, 0));
      if constexpr (kinds<M>::scale) out.scale[i] = float(M::scaling::scale(at));
      if constexpr (kinds<M>::strength) out.strength[i] = -float(M::evolution::strength(at));
    }
    if constexpr (kinds<M>::read) out.read[i] = inverse_eta<typename M::normalization>(0.f, 0.f, token_at(x, e, s, reader_numbers<X>{}));
  }
}
template <class M, class X>
void make(cudaStream_t stream, const X& x, const extents& e, const view<const idx, 1>& start, const arrays& out) {
  if constexpr (kinds<M>::any)
    launch(stream, number_kernel<M, X>, "number_kernel", (e.batch * e.time * e.readers + 255) / 256, 256, 0, x, e, start, out);
}

/// What the gradients of one token's numbers give to the stream `Tag`.
template <class M, class Tag, bool Reading, class X>
__device__ float gradient_at(const X& x, const extents& e, const view<const idx, 1>& start, const arrays& d, idx index) {
  using D = dual<float>;
  const spot s = spot_at(x, e, start, index);
  float sum = 0;
  if constexpr (Reading) {
    if constexpr (kinds<M>::read)
      sum += passed(d.read[index], inverse_eta<typename M::normalization>(D(0.f), D(0.f), lifted_at<Tag>(x, e, s, reader_numbers<X>{})).d);
  } else if constexpr (kinds<M>::decay || kinds<M>::scale || kinds<M>::strength) {
    const auto at = lifted_at<Tag>(x, e, s, state_numbers<X>{});
    if constexpr (kinds<M>::decay) sum += passed(d.log_decay[index], D(log_decay_of<typename M::evolution>(at, 0)).d);
    if constexpr (kinds<M>::scale) sum += passed(d.scale[index], D(M::scaling::scale(at)).d);
    if constexpr (kinds<M>::strength) sum -= passed(d.strength[index], D(M::evolution::strength(at)).d);
  }
  return sum;
}
template <class Need, class V>
__device__ void give(const V& v, idx batch, idx time, int head, float value, bool accumulate) {
  idx inner[2];
  auto* p = cpu::row_pointer<Need>(v, batch, time, head, inner);
  *p = cpu::converted<std::remove_cvref_t<decltype(*p)>>(value + (accumulate ? cpu::converted<float>(*p) : 0.f));
}
/// Gradient of one stream: a thread for each of its rows, which adds the heads that share it in order; of a stream without
/// time, a block for each head, which adds all tokens in a fixed order.
template <class M, class Need, bool Reading, class X, class V>
__global__ void raise_kernel(const __grid_constant__ X x, const __grid_constant__ extents e, view<const idx, 1> start, arrays d, V v,
                             bool accumulate) {
  using Tag = typename Need::tag;
  const int heads = Need::headed ? e.heads_of(Need::heads) : 1, group = e.readers / heads;
  const auto one = [&](idx row, int head, int member) {
    return gradient_at<M, Tag, Reading>(x, e, start, d, row * e.readers + head * group + member);
  };
  if constexpr (Need::timed) {
    const idx count = e.batch * e.time * heads;
    for (idx i = idx(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += idx(gridDim.x) * blockDim.x) {
      const idx row = i / heads;
      float sum = 0;
      for (int m = 0; m < group; ++m) sum += one(row, int(i % heads), m);
      give<Need>(v, row / e.time, row % e.time, int(i % heads), sum, accumulate);
    }
  } else {
    __shared__ float part[32];
    float sum = 0;
    const idx count = e.batch * e.time * group;
    for (idx i = threadIdx.x; i < count; i += blockDim.x) sum += one(i / group, int(blockIdx.x), int(i % group));
    sum = generic::warp_sum(sum);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
      sum = 0;
      for (unsigned w = 0; w < blockDim.x / 32; ++w) sum += part[w];
      give<Need>(v, 0, 0, int(blockIdx.x), sum, accumulate);
    }
  }
}
template <class M, bool Reading, class X, class G, class... Need>
void raise_side(cudaStream_t stream, const X& x, const extents& e, const view<const idx, 1>& start, const arrays& d, const G& g,
                list<Need...>) {
  (
      [&] {
        const auto& v = g.template of<Need>();
        using V = std::remove_cvref_t<decltype(v)>;
        const idx heads = Need::headed ? e.heads_of(Need::heads) : 1;
        if constexpr (Need::inner == width::scalar)
          if (v.data)
            launch(stream, raise_kernel<M, Need, Reading, X, V>, "raise_kernel",
                   Need::timed ? (e.batch * e.time * heads + 255) / 256 : heads, Need::timed ? 256 : 1024, 0, x, e, start, d, v,
                   g.accumulate);
      }(),
      ...);
}
template <class M, class X, class G>
void raise(cudaStream_t stream, const X& x, const extents& e, const view<const idx, 1>& start, const arrays& d, const G& g) {
  raise_side<M, false>(stream, x, e, start, d, g, state_numbers<X>{});
  raise_side<M, true>(stream, x, e, start, d, g, reader_numbers<X>{});
}
template <class G, class... Need>
bool any_given(const G& g, list<Need...>) {
  return ((Need::inner == width::scalar && bool(g.template of<Need>().data)) || ...);
}
/// Whether the gradient of an evolution's stream without time is asked for. A sum over tokens makes the differences that a token's
/// log decay's gradient is taken from noisy (in bf16 a hundred times), so the Hopper plans leave it to the generic engine; but not that of
/// a parameterisation's numbers per head (dt_bias, A_log), whose decays are a token's own and vary: it is the sum over the tokens
/// that a layer would make of the same d log_decay.
template <class... Need>
constexpr bool any_constant(list<Need...>) {
  return (!Need::timed || ...);
}
template <class M>
constexpr bool decays_from_raw = [] {
  if constexpr (requires { typename M::evolution::parameterisation; }) return !traits<M>::structure.constant;
  else return false;
}();
template <class X>
constexpr bool constant_streams = !decays_from_raw<typename X::mixer_type> && any_constant(state_needs<typename X::needs>{});
template <class G, class... Need>
bool any_constant_given(const G& g, list<Need...>) {
  return ((!Need::timed && bool(g.template of<Need>().data)) || ...);
}
template <class X, class G>
bool constant_wanted(const G& g) {
  return constant_streams<X> && any_constant_given(g, state_needs<typename X::needs>{});
}
/// Whether a gradient of any number is asked for.
template <class X, class G>
bool wanted(const G& g) {
  return any_given(g, state_numbers<X>{}) || any_given(g, reader_numbers<X>{});
}

// ---- constant rotations -------------------------------------------------------------------------------------------------------
/// Rows [B, T, heads, n] of bf16 turned by -P (`sign` -1) or back; `in` and `out` may be one.
template <class M, class X, class In, class Out>
__global__ void turn_kernel(const __grid_constant__ X x, const __grid_constant__ extents e, const __grid_constant__ In in,
                            const __grid_constant__ Out out, int sign) {
  const int heads = int(in.extents[2]), half = e.n / 2, group = e.readers / heads;
  const idx count = e.batch * e.time * heads * half;
  for (idx i = idx(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += idx(gridDim.x) * blockDim.x) {
    const int p = int(i % half), h = int(i / half % heads);
    const idx row = i / half / heads;
    const spot s = spot_at(x, e, {}, row * e.readers + h * group);
    const double turns =
        double(M::evolution::angle(token_at(x, e, s, state_numbers<X>{}), p)) * double(s.token + 1) * (sign * 0.15915494309189535);
    float si, co;
    sincospif(2.f * float(turns - rint(turns)), &si, &co);
    const channel_pair c = pair_of(traits<M>::structure.turns, p, e.n);
    const float a = float(in(s.batch, s.time, h, c.x)), b = float(in(s.batch, s.time, h, c.y));
    out(s.batch, s.time, h, c.x) = bf16(a * co - b * si);
    out(s.batch, s.time, h, c.y) = bf16(a * si + b * co);
  }
}
template <class M, class X, class In, class Out>
void turn(cudaStream_t stream, const X& x, const extents& e, const In& in, const Out& out, int sign) {
  launch(stream, turn_kernel<M, X, In, Out>, "turn_kernel", (in.size() / 2 + 255) / 256, 256, 0, x, e, in, out, sign);
}

}  // namespace coefdyn::cuda::numbers
