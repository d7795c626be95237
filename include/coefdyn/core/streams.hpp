// SPDX-License-Identifier: MIT
#pragma once
#include <array>

#include "buffer.hpp"
#include "tokens.hpp"

/// All streams of a mixer at once, without one of their names: what a caller needs who serves mixers that it does not know.
///
/// ```cpp statements with call
/// for_each_need(needs_of<M>{}, [&]<class Need>(Need) { std::cout << Need::tag::name << " " << size_of<Need, M>(check(x)) << "\n"; });
/// stream_buffers<M> held(check(x));  // held.q, held.beta, ..: one buffer a stream
/// held.bind(x);                      // x: tokens<M> or gradients<M>
/// ```
namespace coefdyn {

/// The shape of a stream in a call of sizes e: (B, T w, heads, inner ..) without the axes that its class lacks.
template <class Need, class M>
std::array<idx, Need::rank> shape_of(const extents& e) {
  idx all[5] = {};
  detail::expected_shape<Need, M>(e, all);
  std::array<idx, Need::rank> out{};
  for (std::size_t a = 0; a < out.size(); ++a) out[a] = all[a];
  return out;
}
/// Numbers in a stream (complex ones, where it is complex).
template <class Need, class M>
idx size_of(const extents& e) {
  idx size = 1;
  for (const idx extent : shape_of<Need, M>(e)) size *= extent;
  return size;
}
/// A stream that lies in memory without gaps, the last axis first.
template <class Need, class M, class T>
view<T, Need::rank> view_of(T* data, const extents& e) {
  view<T, Need::rank> out;
  out.data = data;
  const auto shape = shape_of<Need, M>(e);
  idx stride = 1;
  for (int a = Need::rank - 1; a >= 0; --a) {
    out.extents[a] = shape[static_cast<std::size_t>(a)];
    out.strides[a] = stride;
    stride *= out.extents[a];
  }
  return out;
}

/// A buffer for each of some streams, under their names; empty at first.
template <class Types, class Needs, memory_space Space = memory::host>
struct owned_streams;
template <class Types, class... Need, memory_space Space>
struct owned_streams<Types, list<Need...>, Space> : Need::tag::template field<buffer<detail::stored_as<Need, Types>, Space>>... {
  /// The buffer of one need, without its name.
  template <class N>
  auto& of() {
    typename N::tag::template field<buffer<detail::stored_as<N, Types>, Space>>& holder = *this;
    return N::tag::of(holder);
  }
  template <class N>
  const auto& of() const {
    const typename N::tag::template field<buffer<detail::stored_as<N, Types>, Space>>& holder = *this;
    return N::tag::of(holder);
  }
};

/// All streams of a mixer, in memory of their own, zero at first: on the host, or where `Space` says.
template <class M, class Types = float, field Over = field::real, memory_space Space = memory::host>
struct stream_buffers : owned_streams<typename detail::as_types<Types>::type, needs_of<M, Over>, Space> {
  using needs = needs_of<M, Over>;  // list<need<..>..>, q, k and v first
  extents size;                     // of the call that they are for

  /// Zeros of the shapes that a call of these sizes has (`check(x)` returns them, nn::sizes::call makes them).
  explicit stream_buffers(const extents& e, const Space& where = {}) : size(e) {
    for_each_need(needs{}, [&]<class N>(N) {
      auto& numbers = this->template of<N>();
      numbers = std::remove_reference_t<decltype(numbers)>(static_cast<std::size_t>(size_of<N, M>(e)), where);
    });
  }
  /// Makes the streams of x, tokens<M, ..> or gradients<M, ..>, views of these buffers.
  template <class X>
  void bind(X& x) {
    for_each_need(needs{}, [&]<class N>(N) { x.template set<N>(view_of<N, M>(this->template of<N>().data(), size)); });
  }
};

}  // namespace coefdyn
