// SPDX-License-Identifier: MIT
#pragma once
#include <vector>

#include "../../cpu/stages/scatter.hpp"
#include "../engine/frame.cuh"
#include "tensor_map.cuh"

/// Feature maps ahead of the Hopper kernels: psi of rows of bf16 [B, T, heads, n] into the workspace, and the gradients of such rows
/// back through psi'. n is a multiple of 8; rows are contiguous and 16-byte aligned.
namespace coefdyn::cuda::features {

using rows = view<bf16, 4>;
using rows_in = view<const bf16, 4>;

/// Eight neighbouring numbers of a row.
struct eight {
  uint4 word;
  static __device__ eight load(const bf16* p) { return {*reinterpret_cast<const uint4*>(p)}; }
  __device__ void store(bf16* p) const { *reinterpret_cast<uint4*>(p) = word; }
  template <class F>
  static __device__ eight of(F f) {
    uint32_t w[4];
    for (int i = 0; i < 4; ++i) w[i] = bf16(f(2 * i)).bits | uint32_t(bf16(f(2 * i + 1)).bits) << 16;
    return {make_uint4(w[0], w[1], w[2], w[3])};
  }
  __device__ float operator[](int i) const {
    const uint32_t w = i < 4 ? (i < 2 ? word.x : word.y) : (i < 6 ? word.z : word.w);
    return __uint_as_float(i % 2 ? w & 0xffff0000u : w << 16);
  }
};
/// f(batch, time, head, channel) for each eight of a tensor.
template <class V, class F>
__device__ void each_eight(const V& v, F f) {
  const idx across = v.extents[3] / 8, count = v.size() / 8;
  for (idx i = idx(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += idx(gridDim.x) * blockDim.x) {
    const idx row = i / across, at = row / v.extents[2];
    f(at / v.extents[1], at % v.extents[1], row % v.extents[2], i % across * 8);
  }
}

/// A number near psi's values at small inputs. Less it, rows whose channels are all alike keep their differences in bf16: exact sums
/// of such rows are a multiple of the ones and a small rest. Any number is right; 0 where values change sign.
template <class Psi>
float origin(int n) {
  if constexpr (requires { requires Psi::is_nonnegative; }) {
    if constexpr (maps_channels<Psi>) {
      return Psi::apply(0.f);
    } else {
      std::vector<float> zero(std::size_t(n), 0.f), out(zero.size());
      Psi::apply(static_cast<const float*>(zero.data()), out.data(), n);
      return out[0];
    }
  } else {
    return 0;
  }
}

/// Rows that a block takes at once where the map is of whole vectors: a thread has one, in shared memory, between strides that are odd.
constexpr int tile = 32, threads = 128;
template <class Psi>
constexpr bool by_row = !maps_channels<Psi>;
inline std::size_t tile_bytes(idx n, int copies) { return std::size_t(copies) * tile * std::size_t(n + 1) * sizeof(float); }
/// f(row of the tile, batch, time, head, channel) over rows [first, first + tile) of a tensor.
template <class V, class F>
__device__ void each_of_tile(const V& v, idx first, F f) {
  const int n = int(v.extents[3]);
  const idx left = v.size() / n - first;
  generic::each2(int(left < tile ? left : tile), n, [&](int r, int c) {
    const idx row = first + r, at = row / v.extents[2];
    f(r, at / v.extents[1], at % v.extents[1], row % v.extents[2], c);
  });
}

/// out = psi(in) - less.
template <class Psi>
__global__ void __launch_bounds__(256) apply_kernel(const __grid_constant__ rows_in in, const __grid_constant__ rows out, float less) {
  if constexpr (!by_row<Psi>) {
    each_eight(out, [&](idx b, idx t, idx h, idx c) {
      const eight x = eight::load(&in(b, t, h, c));
      eight::of([&](int i) { return Psi::apply(x[i]) - less; }).store(&out(b, t, h, c));
    });
  } else {
    extern __shared__ float fast[];
    const int n = int(in.extents[3]), stride = n + 1;
    float* const mapped = fast + tile * stride;
    const idx count = in.size() / n;
    generic::each_item((count + tile - 1) / tile, [&](idx item) {
      each_of_tile(in, item * tile, [&](int r, idx b, idx t, idx h, int c) { fast[r * stride + c] = float(in(b, t, h, c)); });
      generic::each(tile, [&](int r) {
        if (item * tile + r < count) cpu::apply_feature<Psi>(static_cast<const float*>(fast + r * stride), mapped + r * stride, n);
      });
      each_of_tile(out, item * tile, [&](int r, idx b, idx t, idx h, int c) { out(b, t, h, c) = bf16(mapped[r * stride + c] - less); });
    });
  }
}
template <class Psi>
void apply(cudaStream_t stream, const rows_in& in, const rows& out, float less = 0) {
  const idx n = in.extents[3];
  if constexpr (by_row<Psi>)
    launch(stream, apply_kernel<Psi>, "apply_kernel", (in.size() / n + tile - 1) / tile, threads, tile_bytes(n, 2), in, out, less);
  else launch(stream, apply_kernel<Psi>, "apply_kernel", (in.size() / 8 + 255) / 256, 256, 0, in, out, less);
}

/// out = psi'(x)' sum over the `group` heads that share a row of `given`; both may be one where group is 1.
template <class Psi>
__global__ void __launch_bounds__(256)
    pull_back_kernel(const __grid_constant__ rows_in x, const __grid_constant__ tensor given, int group, const __grid_constant__ rows out) {
  const auto place = [&](idx b, idx t, idx h, int m, idx c) {
    return static_cast<const bf16*>(given.data) + b * given.batch + t * given.time + (h * group + m) * given.head + c;
  };
  if constexpr (!by_row<Psi>) {
    each_eight(out, [&](idx b, idx t, idx h, idx c) {
      float sum[8] = {};
      for (int m = 0; m < group; ++m) {
        const eight one = eight::load(place(b, t, h, m, c));
        for (int i = 0; i < 8; ++i) sum[i] += one[i];
      }
      const eight in = eight::load(&x(b, t, h, c));
      eight::of([&](int i) { return along(sum[i], Psi::apply(dual<float>(in[i], 1.f)).d); }).store(&out(b, t, h, c));
    });
  } else {
    extern __shared__ float fast[];
    const int n = int(x.extents[3]), stride = n + 1;
    float *const dy = fast + tile * stride, *const dx = dy + tile * stride, *const y = dx + tile * stride;
    const idx count = x.size() / n;
    generic::each_item((count + tile - 1) / tile, [&](idx item) {
      each_of_tile(x, item * tile, [&](int r, idx b, idx t, idx h, int c) {
        float sum = 0;
        for (int m = 0; m < group; ++m) sum += float(*place(b, t, h, m, c));
        fast[r * stride + c] = float(x(b, t, h, c)), dy[r * stride + c] = sum;
      });
      generic::each(tile, [&](int r) {
        const int at = r * stride;
        if (item * tile + r < count)
          cpu::feature_backward<Psi>(static_cast<const float*>(fast + at), static_cast<const float*>(dy + at), dx + at, y + at, n);
      });
      each_of_tile(out, item * tile, [&](int r, idx b, idx t, idx h, int c) { out(b, t, h, c) = bf16(dx[r * stride + c]); });
    });
  }
}
template <class Psi>
void pull_back(cudaStream_t stream, const rows_in& x, const tensor& given, int group, const rows& out) {
  const idx n = x.extents[3];
  if constexpr (by_row<Psi>)
    launch(stream, pull_back_kernel<Psi>, "pull_back_kernel", (x.size() / n + tile - 1) / tile, threads, tile_bytes(n, 4), x, given, group,
           out);
  else launch(stream, pull_back_kernel<Psi>, "pull_back_kernel", (x.size() / 8 + 255) / 256, 256, 0, x, given, group, out);
}

}  // namespace coefdyn::cuda::features
