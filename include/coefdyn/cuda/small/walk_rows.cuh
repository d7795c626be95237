// SPDX-License-Identifier: MIT
#pragma once
#include "../engine/gradients.cuh"

/// Rows of the caller's tensors into a block's memory and back, 16 bytes at once where they lie so. All streams of a window are asked for
/// before the first is kept.
namespace coefdyn::cuda::small {

using namespace generic;  // frames, operands and loops of a block

/// `rows` rows of `size` numbers: number i of a row at (i / width) outer + (i % width) column.
template <class S>
struct far_rows {
  S* p = nullptr;
  idx row = 0, outer = 0, column = 0;
  int rows = 0, size = 0, width = 1;
  using Stored = std::remove_const_t<S>;
  static constexpr int together = 16 / int(sizeof(Stored));
  struct alignas(16) piece {
    Stored e[together];
  };
  __device__ bool in_pieces() const {
    return column == 1 && (width == size || outer == width) && size % together == 0 && row % together == 0 &&
           reinterpret_cast<std::size_t>(p) % 16 == 0;
  }
  __device__ S* at(int r, int i) const {
    if (width == size) return p + r * row + i * column;
    return p + r * row + i / width * outer + i % width * column;
  }
};
/// Those of one stream of a head, `rows` from its row `first` on.
template <class M, class Need, class V>
__device__ __forceinline__ auto far_rows_of(const V& v, const extents& e, idx batch, idx first, int rows, int head) {
  using S = std::remove_pointer_t<decltype(v.data)>;
  far_rows<S> f;
  idx inner[2], size[2] = {};
  inner_extents<Need>(e.n, e.d, traits<M>::micro, size);
  f.p = cpu::row_pointer<Need>(v, batch, first, head, inner);
  f.rows = rows, f.size = int(size[0] * size[1]);
  if constexpr (Need::timed) f.row = v.strides[1];
  if constexpr (Need::inner_rank == 2) f.width = int(size[1]), f.outer = inner[0], f.column = inner[1];
  else f.width = f.size, f.column = f.size == 1 ? 1 : inner[0];
  return f;
}

/// put(r, i, number) for all; `then` is called when the first piece of every thread is on its way.
template <class S, class Put, class Then>
__device__ __forceinline__ void take_rows(const far_rows<S>& from, const Put& put, const Then& then) {
  using Far = far_rows<S>;
  constexpr int many = Far::together;
  typename Far::piece mine;
  const bool pieces = from.in_pieces();
  const unsigned across = unsigned(pieces ? from.size / many : from.size), all = unsigned(from.rows) * across;
  const auto ask = [&](unsigned k) {
    const int r = int(k / across), i = int(k - unsigned(r) * across);
    if (pieces) mine = *reinterpret_cast<const typename Far::piece*>(from.p + r * from.row + i * many);
    else mine.e[0] = *from.at(r, i);
  };
  const auto keep = [&](unsigned k) {
    const int r = int(k / across), i = int(k - unsigned(r) * across);
    if (pieces) {
#pragma unroll
      for (int j = 0; j < many; ++j) put(r, i * many + j, mine.e[j]);
    } else {
      put(r, i, mine.e[0]);
    }
  };
  unsigned k = threadIdx.x;
  if (k < all) ask(k);
  then();
  if (k < all) keep(k);
#pragma unroll 1
  for (k += blockDim.x; k < all; k += blockDim.x) ask(k), keep(k);
}
/// get(r, i) to all, or added to them.
template <class S, class Get>
__device__ __forceinline__ void give_rows(const far_rows<S>& to, bool added, const Get& get) {
  using Far = far_rows<S>;
  using R = std::remove_cvref_t<decltype(get(0, 0))>;
  constexpr int many = Far::together;
  if (!added && to.in_pieces()) {
    const unsigned across = unsigned(to.size / many), all = unsigned(to.rows) * across;
#pragma unroll 1
    for (unsigned k = threadIdx.x; k < all; k += blockDim.x) {
      const int r = int(k / across), i = int(k - unsigned(r) * across);
      typename Far::piece mine;
#pragma unroll
      for (int j = 0; j < many; ++j) mine.e[j] = cpu::converted<S>(get(r, i * many + j));
      *reinterpret_cast<typename Far::piece*>(to.p + r * to.row + i * many) = mine;
    }
  } else {
    const unsigned across = unsigned(to.size), all = unsigned(to.rows) * across;
#pragma unroll 1
    for (unsigned k = threadIdx.x; k < all; k += blockDim.x) {
      const int r = int(k / across), i = int(k - unsigned(r) * across);
      S& out = *to.at(r, i);
      out = cpu::converted<S>(added ? cpu::converted<R>(out) + get(r, i) : get(r, i));
    }
  }
}

/// The streams of one head's frame, tokens [t, t + tokens): `take` brings them in, `give` gives gradients of a frame of the same layout
/// out. Where the feature map is of whole vectors, `raw` (rows, n) has them as they came, and `spare` twice as many numbers.
template <class M, class R, class X, class Frame>
struct window_rows;
template <class M, class R, class X, class... All>
struct window_rows<M, R, X, frame<M, R, list<All...>>> {
  using F = frame<M, R, list<All...>>;
  using Psi = typename M::feature_map;
  template <class Need>
  static constexpr bool featured = traits<M>::has_feature && cpu::is_featured<Need>;
  static constexpr bool whole_vectors = traits<M>::has_feature && !maps_channels<Psi>;
  const X& x;
  const extents& e;
  const sequence& s;
  head_index h;
  idx t;
  int tokens;
  F f;
  R *raw = nullptr, *spare = nullptr;

  template <class Then>
  __device__ __forceinline__ void take(const Then& then) const {
    take(then, list<All...>{});
  }
  /// After a barrier: whole vectors through the feature map; another barrier has to follow.
  __device__ __forceinline__ void map() const {
    if constexpr (whole_vectors) (map<All>(), ...);
  }
  template <class G>
  __device__ __forceinline__ void give(const G& g, const F& d, bool shared) const {
    (give<All>(g, d, shared), ...);
  }

 private:
  template <class Need, class V>
  __device__ auto rows(const V& v) const {
    return far_rows_of<M, Need>(v, e, s.batch, cpu::first_row<Need>(s, e, t, F::writes), int(F::template rows<Need>(tokens)),
                                cpu::head_of<Need>(h, e));
  }
  template <class Then>
  __device__ __forceinline__ void take(const Then& then, list<>) const {
    then();
  }
  template <class Then, class Need, class... Rest>
  __device__ __forceinline__ void take(const Then& then, list<Need, Rest...>) const {
    const auto b = f.template of<Need>();
    const auto from = rows<Need>(x.template of<Need>());
    R* const to = whole_vectors && featured<Need> ? raw : b.p;
    const int stride = int(b.stride);
    take_rows(
        from,
        [&](int r, int i, const auto& number) {
          R value = cpu::converted<R>(number);
          if constexpr (featured<Need> && !whole_vectors) value = Psi::apply(value);
          to[r * stride + i] = value;
        },
        [&] { take(then, list<Rest...>{}); });
    if constexpr (Need::inner == width::value && traits<M>::needs_sum)
      each_unsynced(from.rows, [&](int r) { b.p[r * stride + from.size] = R(1); });
  }
  template <class Need>
  __device__ __forceinline__ void map() const {
    if constexpr (featured<Need>) {
      const auto b = f.template of<Need>();
      each_unsynced(int(F::template rows<Need>(tokens)),
                    [&](int r) { Psi::apply(static_cast<const R*>(raw + r * e.n), b.p + r * b.stride, e.n); });
    }
  }
  template <class Need, class G>
  __device__ __forceinline__ void give(const G& g, const F& d, bool shared) const {
    if constexpr (Need::timed) {
      const auto& v = g.template of<Need>();
      if (!v.data || (cpu::is_shared<Need> && !shared)) return;
      const auto b = d.template of<Need>();
      const auto to = rows<Need>(v);
      const int stride = int(b.stride);
      if constexpr (featured<Need> && whole_vectors) {
        each(to.rows, [&](int r) {
          cpu::feature_backward<Psi>(static_cast<const R*>(raw + r * e.n), static_cast<const R*>(b.p + r * stride), spare + 2 * r * e.n,
                                     spare + (2 * r + 1) * e.n, e.n);
        });
        give_rows(to, g.accumulate, [&](int r, int i) { return spare[2 * r * e.n + i]; });
        __syncthreads();
      } else if constexpr (featured<Need>) {
        const auto from = rows<Need>(x.template of<Need>());
        give_rows(to, g.accumulate,
                  [&](int r, int i) { return along(b.p[r * stride + i], Psi::apply(dual<R>(cpu::converted<R>(*from.at(r, i)), R(1))).d); });
      } else {
        give_rows(to, g.accumulate, [&](int r, int i) { return b.p[r * stride + i]; });
      }
    }
  }
};

}  // namespace coefdyn::cuda::small
