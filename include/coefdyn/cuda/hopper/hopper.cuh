// SPDX-License-Identifier: MIT
#pragma once
#include "../../core/form.hpp"
#include "features.cuh"
#include "numbers.cuh"
#include "ptx.cuh"

/// What the plans of the Hopper kernels share: whether they can run, tensors as the copy engine takes them, states with a head
/// for each reader, gradients summed over the readers of a head.
///
/// A plan has: `exists` (by type), fits() (sizes, inputs and device), takes(y, ...) (outputs), bytes(), run(...), name().
namespace coefdyn::cuda::hopper {

static __global__ void mark_kernel() {
#if COEFDYN_HOPPER
  __shared__ volatile char mark[4096];
  mark[threadIdx.x] = 1;
#endif
}
/// Whether the current device runs this program's sm_90a code: only there the marked kernel has shared memory.
inline bool available() {
  cudaFuncAttributes a;
  if (cudaFuncGetAttributes(&a, mark_kernel) == cudaSuccess) return a.sharedSizeBytes >= 4096;
  cudaGetLastError();
  return false;
}

/// A view [B, T, H, inner] of bf16 that the copy engine takes: contiguous rows, base and strides multiples of 16 bytes.
template <class V>
bool copyable(const V& v) {
  const auto whole = [](idx stride) { return stride % 8 == 0 && stride >= 0; };
  return std::is_same_v<std::remove_cvref_t<decltype(*v.data)>, bf16> && v.data && reinterpret_cast<std::uintptr_t>(v.data) % 16 == 0 &&
         v.strides[3] == 1 && whole(v.strides[0]) && whole(v.strides[1]) && whole(v.strides[2]) && v.extents[1] < (idx(1) << 31);
}
template <class V>
tensor raw(const V& v) {
  return {const_cast<void*>(static_cast<const void*>(v.data)), v.strides[0], v.strides[1], v.strides[2]};
}
/// [B, T, P, inner] in a block of the workspace.
inline tensor dense(const void* p, const extents& e, idx inner) {
  return {const_cast<void*>(p), e.time * e.readers * inner, e.readers * inner, inner};
}

/// q and k as the kernels take them: the caller's, or through the feature map and turned by a constant rotation into the workspace.
template <class M>
struct prepared_rows {
  using feature_map = typename M::feature_map;
  static constexpr bool maps = traits<M>::has_feature, turns = numbers::kinds<M>::turn, made = maps || turns;
  view<bf16, 4> q, k;
  prepared_rows(generic::memory& a, const extents& e) {
    if constexpr (made) q = take(a, e, e.queries), k = take(a, e, e.keys);
  }
  /// Rows [B, T, heads, n] of the workspace.
  static view<bf16, 4> take(generic::memory& a, const extents& e, idx heads) {
    return view<bf16, 4>(a.template take<bf16>(e.batch * e.time * heads * e.n), e.batch, e.time, heads, idx(e.n));
  }
  template <class X>
  void make(cudaStream_t stream, const X& x, const extents& e) const {
    if constexpr (maps) features::apply<feature_map>(stream, x.q, q), features::apply<feature_map>(stream, x.k, k);
    if constexpr (maps && turns) numbers::turn<M>(stream, x, e, q, q, -1), numbers::turn<M>(stream, x, e, k, k, -1);
    else if constexpr (turns) numbers::turn<M>(stream, x, e, x.q, q, -1), numbers::turn<M>(stream, x, e, x.k, k, -1);
  }
  template <class X>
  tensor query(const X& x) const {
    return made ? raw(q) : raw(x.q);
  }
  template <class X>
  tensor key(const X& x) const {
    return made ? raw(k) : raw(x.k);
  }
  /// Gradients of the kernels' rows, one for each processed head, to the caller's: summed over heads, turned back, and taken through
  /// the map's derivative.
  template <class Rows, class X, class G>
  static void give_back(cudaStream_t stream, const X& x, const extents& e, const Rows& dq, const Rows& dk, const G& g) {
    if constexpr (!maps || turns) dq.out(stream, g.q, e, g.accumulate), dk.out(stream, g.k, e, g.accumulate);
    if constexpr (turns) numbers::turn<M>(stream, x, e, g.q, g.q, +1), numbers::turn<M>(stream, x, e, g.k, g.k, +1);
    if constexpr (maps) {
      const auto one = [&](const auto& in, const Rows& rows, const auto& out) {
        const int group = turns ? 1 : e.readers / int(out.extents[2]);
        features::pull_back<feature_map>(stream, in, turns ? raw(out) : rows.place(out, e), group, out);
      };
      one(x.q, dq, g.q), one(x.k, dk, g.k);
    }
  }
};

// ---- states [N, P, n, d] fp32, dense: the caller's own where heads, type and strides agree ------------------------------------
template <class V>
bool dense_state(const V& s, const extents& e) {
  const idx d = e.d, n = e.n;
  return std::is_same_v<std::remove_cvref_t<decltype(*s.S.data)>, float> && e.readers == e.states && s.S.strides[3] == 1 &&
         s.S.strides[2] == d && s.S.strides[1] == n * d && s.S.strides[0] == e.states * n * d &&
         reinterpret_cast<std::uintptr_t>(s.S.data) % 16 == 0;
}
/// Copies of a state head's state for its readers; `first_only`: the others are zero, as the gradient of a copy that is not read.
template <class V>
__global__ void spread_kernel(const __grid_constant__ V S, const __grid_constant__ extents e, float* out, bool first_only) {
  const idx per = idx(e.n) * e.d, count = e.sequences * e.readers * per;
  const int group = cpu::readers_per_state(e);
  for (idx i = idx(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += idx(gridDim.x) * blockDim.x) {
    const int p = int(i / per % e.readers);
    out[i] = first_only && p % group ? 0.f : float(S(i / per / e.readers, p / group, i % per / e.d, i % e.d));
  }
}
/// The reverse: the first reader's, or the sum over the readers in order.
template <class V>
__global__ void gather_kernel(const float* in, const __grid_constant__ extents e, const __grid_constant__ V S, bool sum) {
  const idx per = idx(e.n) * e.d, count = e.sequences * e.states * per;
  const int group = cpu::readers_per_state(e);
  for (idx i = idx(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += idx(gridDim.x) * blockDim.x) {
    const idx from = i / per * group * per + i % per;
    float x = in[from];
    for (int r = 1; sum && r < group; ++r) x += in[from + r * per];
    S(i / per / e.states, i / per % e.states, i % per / e.d, i % e.d) = cpu::converted<std::remove_cvref_t<decltype(*S.data)>>(x);
  }
}
inline idx blocks_of(idx count) { return count / 1024 + 1 < 8192 ? count / 1024 + 1 : 8192; }

/// A state on its way into or out of a kernel: the caller's memory, or a copy in the workspace.
struct state_copy {
  float* memory = nullptr;  // [N, P, n, d], where a copy may be needed
  /// `copies`: the caller's heads or type differ from the kernel's whatever the strides are.
  state_copy(generic::memory& a, const extents& e, bool copies) {
    if (copies) memory = a.template take<float>(e.sequences * e.readers * e.n * e.d);
  }
  template <class V>
  static bool serves(const V& s, const extents& e, bool copies) {
    return !s.S.data || copies || dense_state(s, e);
  }
  template <class V>
  const float* in(cudaStream_t stream, const V& s, const extents& e, bool first_only) const {
    if (!s.S.data) return nullptr;
    if (!memory) return reinterpret_cast<const float*>(s.S.data);
    launch(stream, spread_kernel<decltype(s.S)>, "spread_kernel", blocks_of(e.sequences * e.readers * e.n * e.d), 256, 0, s.S, e, memory,
           first_only);
    return memory;
  }
  template <class V>
  float* place(const V& s) const {
    return !s.S.data ? nullptr : memory ? memory : reinterpret_cast<float*>(s.S.data);
  }
  template <class V>
  void out(cudaStream_t stream, const V& s, const extents& e, bool sum) const {
    if (s.S.data && memory)
      launch(stream, gather_kernel<decltype(s.S)>, "gather_kernel", blocks_of(e.sequences * e.states * e.n * e.d), 256, 0, memory, e, s.S,
             sum);
  }
};

// ---- gradients of q, k, v -----------------------------------------------------------------------------------------------------
/// Sums [B, T, P, inner] over the processed heads that share one of the caller's, in order.
template <class V>
__global__ void add_heads_kernel(const bf16* in, const __grid_constant__ extents e, const __grid_constant__ V out, bool accumulate) {
  const idx inner = out.extents[3], heads = out.extents[2], count = out.size();
  const idx group = e.readers / heads;
  for (idx i = idx(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += idx(gridDim.x) * blockDim.x) {
    const idx c = i % inner, h = i / inner % heads, row = i / inner / heads;
    auto& to = out(row / e.time, row % e.time, h, c);
    float sum = accumulate ? float(to) : 0.f;
    for (idx m = 0; m < group; ++m) sum += float(in[(row * e.readers + h * group + m) * inner + c]);
    to = bf16(sum);
  }
}
/// One of them: written in place where each processed head has its own row, else through the workspace.
struct row_gradient {
  bf16* memory = nullptr;
  row_gradient(generic::memory& a, const extents& e, int heads, idx inner) {
    if (heads != e.readers) memory = a.template take<bf16>(e.batch * e.time * e.readers * inner);
  }
  /// Whether it can be given so; for a tensor that is not wanted, or is added to, there is the generic engine.
  template <class V>
  static bool serves(const V& v, const extents& e, bool accumulate) {
    return v.data && (v.extents[2] != e.readers || (copyable(v) && !accumulate));
  }
  template <class V>
  tensor place(const V& v, const extents& e) const {
    return memory ? dense(memory, e, v.extents[3]) : raw(v);
  }
  template <class V>
  void out(cudaStream_t stream, const V& v, const extents& e, bool accumulate) const {
    using View = view<std::remove_pointer_t<decltype(v.data)>, 4>;
    if (memory)
      launch(stream, add_heads_kernel<View>, "add_heads_kernel", blocks_of(v.size()), 256, 0, memory, e, static_cast<const View&>(v),
             accumulate);
  }
};
/// Whether kernels can read dy and give these gradients of rows; and those of states too.
///@{
template <class Call>
bool serves_row_gradients(const Call& call, const extents& e) {
  const auto& g = call.g;
  return copyable(call.dy) && row_gradient::serves(g.q, e, g.accumulate) && row_gradient::serves(g.k, e, g.accumulate) &&
         row_gradient::serves(g.v, e, g.accumulate);
}
template <class Call>
bool serves_gradients(const Call& call, const extents& e, bool copies) {
  return serves_row_gradients(call, e) && state_copy::serves(call.initial, e, copies) &&
         state_copy::serves(call.final_gradient, e, copies) && state_copy::serves(call.initial_gradient, e, copies);
}
///@}

}  // namespace coefdyn::cuda::hopper
