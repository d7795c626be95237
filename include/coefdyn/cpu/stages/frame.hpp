// SPDX-License-Identifier: MIT
#pragma once
#include "../../core/arena.hpp"
#include "../../core/tokens.hpp"
#include "../products/simd.hpp"
#include "rows.hpp"
#include "turning.hpp"

/// A frame: the streams of one head over some tokens, contiguous and in the arithmetic's type, feature map applied. Strides,
/// storage types and grouped heads end here; gradients leave through a frame of the same layout.
namespace coefdyn::cpu {

/// Rows of one stream in a frame.
template <class Need, class R>
struct block {
  element_of<Need, R>* p = nullptr;
  idx stride = 0;  // from row to row
  COEFDYN_HD constexpr block() {}
};

struct frame_shape {
  int n = 0, d = 0, e = 0;  // e: stride of a value row, with the normalizer's column of ones at d
  idx tokens = 0;           // rows of time it holds
};

template <class M, class R, class Needs>
struct frame;
template <class M, class R, class... Need>
struct frame<M, R, list<Need...>> : Need::tag::template field<block<Need, R>>... {
  using needs = list<Need...>;
  static constexpr int micro = traits<M>::micro, writes = traits<M>::writes;
  frame_shape shape;

  frame() = default;
  frame(arena& memory, const frame_shape& s) : shape(s) {
    for_each_need(needs{}, [&]<class N>(N) {
      auto& b = of<N>();
      b.stride = N::inner == width::value ? s.e : inner_size<N>(s.n, s.d, micro);
      b.p = memory.take<element_of<N, R>>(rows<N>(s.tokens) * b.stride);
    });
  }
  template <class N>
  COEFDYN_HD static constexpr idx rows(idx tokens) {
    return N::time == ticks::constant ? 1 : N::time == ticks::write ? tokens * writes : tokens;
  }
  template <class N>
  COEFDYN_HD static constexpr idx row_of(idx i, int l) {
    return N::time == ticks::constant ? 0 : N::time == ticks::write ? i * writes + (writes > 1 ? l : 0) : i;
  }
  template <class N>
  COEFDYN_HD auto& of() {
    typename N::tag::template field<block<N, R>>& holder = *this;
    auto& [the_block] = holder;
    auto* const at = &the_block;  // nvcc takes the binding itself for a local variable
    return *at;
  }
  template <class N>
  COEFDYN_HD const auto& of() const {
    const typename N::tag::template field<block<N, R>>& holder = *this;
    const auto& [the_block] = holder;
    auto* const at = &the_block;  // nvcc takes the binding itself for a local variable
    return *at;
  }
  /// `keep_shared`: leave what heads share (gradients of k and q under grouped values) as it is.
  void clear(bool keep_shared = false) {
    for_each_need(needs{}, [&]<class N>(N) {
      if (keep_shared && (N::heads == owner::key || N::heads == owner::query)) return;
      auto& b = of<N>();
      cpu::clear(b.p, rows<N>(shape.tokens) * b.stride);
    });
  }

  void clear_timed() {
    for_each_need(needs{}, [&]<class N>(N) {
      auto& b = of<N>();
      if (N::timed) cpu::clear(b.p, rows<N>(shape.tokens) * b.stride);
    });
  }

  /// Token i, micro-step l, as a policy sees it.
  COEFDYN_HD token<R, list<Need...>> at(idx i, int l, idx position) const {
    return {{value<Need>(i, l)}..., {position, shape.n, shape.d, l}};
  }
  /// The same in dual numbers with one stream seeded.
  template <class Tag, class Seed>
  COEFDYN_HD lifted_token<R, Tag, Seed, list<Need...>> lifted(idx i, int l, idx position, int element) const {
    return {{dual_value<Need, std::conditional_t<std::is_same_v<Tag, typename Need::tag>, Seed, seed::none>>(i, l, element)}...,
            {position, shape.n, shape.d, l}};
  }
  /// Address of element c of a stream's row at token i, micro-step l (of the part that a policy sees there).
  template <class N>
  COEFDYN_HD element_of<N, R>* where(idx i, int l) const {
    const auto& b = of<N>();
    constexpr bool by_factor = N::inner == width::factors || N::inner == width::factors_key;
    return b.p + row_of<N>(i, l) * b.stride + (by_factor ? idx(l) * (N::inner == width::factors ? 1 : shape.n) : 0);
  }

 private:
  template <class N>
  COEFDYN_HD auto value(idx i, int l) const {
    using V = typename coefdyn::detail::value_at<N, R>::type;
    const auto* p = where<N>(i, l);
    if constexpr (coefdyn::detail::is_scalar_at<N>) return *p;
    else if constexpr (coefdyn::detail::is_matrix_at<N>) return V{p, shape.n, 1};
    else return V{p, 1};
  }
  template <class N, class Seed>
  COEFDYN_HD auto dual_value(idx i, int l, int element) const {
    using V = typename coefdyn::detail::dual_at<N, R, Seed>::type;
    const auto* p = where<N>(i, l);
    if constexpr (coefdyn::detail::is_scalar_at<N>) return dual<R>(*p, R(!std::is_same_v<Seed, seed::none>));
    else if constexpr (coefdyn::detail::is_matrix_at<N>) return V{p, shape.n, 1, shape.n, element};
    else return V{p, 1, element};
  }
};

template <class M, class R, field Over>
using state_frame = frame<M, R, state_needs<needs_of<M, Over>>>;
template <class M, class R, field Over>
using reader_frame = frame<M, R, reader_needs<needs_of<M, Over>>>;

/// Which head of each owner a frame is for.
struct head_index {
  int state = 0, reader = 0;
};
template <class Need>
COEFDYN_HD int head_of(const head_index& h, const extents& e) {
  switch (Need::heads) {
    case owner::state:
      return h.state;
    case owner::reader:
      return h.reader;
    case owner::key:
      return e.keys == e.states ? h.state : h.state / (e.states / e.keys);
    case owner::query:
      return e.queries == e.readers ? h.reader : h.reader / (e.readers / e.queries);
    default:
      return 0;
  }
}

/// First element of a stream's row and its inner strides, for one head at one row of time.
template <class Need, class V>
COEFDYN_HD auto* row_pointer(const V& v, idx batch, idx time_row, int head, idx (&inner)[2]) {
  int a = 0;
  idx offset = 0;
  if constexpr (Need::timed) {
    offset += batch * v.strides[0] + time_row * v.strides[1];
    a = 2;
  }
  if constexpr (Need::headed) offset += head * v.strides[a++];
  inner[0] = Need::inner_rank > 0 ? v.strides[a] : 0;
  inner[1] = Need::inner_rank > 1 ? v.strides[a + 1] : 0;
  return v.data + offset;
}
template <class Psi, class R>
COEFDYN_HD void apply_feature(const R* x, R* y, int n) {
  if constexpr (maps_channels<Psi>) {
    by_channel(n, y, [&](int c) { return Psi::apply(x[c]); });
  } else {
    Psi::apply(x, y, n);
  }
}
template <class Need>
constexpr bool is_reading = Need::heads == owner::query || Need::heads == owner::reader;
template <class Need>
constexpr bool is_featured = std::is_same_v<typename Need::tag, stream::q> || std::is_same_v<typename Need::tag, stream::k>;

/// Row of the caller's tensor that holds token t of a sequence (its first write).
template <class Need>
COEFDYN_HD idx first_row(const sequence& s, const extents& e, idx t, int writes) {
  return (s.begin + t - (is_reading<Need> ? e.first_read : 0)) * (Need::time == ticks::write ? writes : 1);
}

/// Rows of a head lie far apart: this many of them are on their way at once.
inline constexpr idx rows_ahead = 16;

/// Asks for the rows of token t of one head, which gather reads soon.
template <class X, class... Need>
void fetch_rows(const X& x, const extents& e, const sequence& s, const head_index& h, idx t, list<Need...>) {
  using traits_ = traits<typename X::mixer_type>;
  for_each_need(list<Need...>{}, [&]<class N>(N) {
    if constexpr (N::timed) {
      idx inner[2], size[2] = {};
      inner_extents<N>(e.n, e.d, traits_::micro, size);
      fetch<false>(row_pointer<N>(x.template of<N>(), s.batch, first_row<N>(s, e, t, traits_::writes), head_of<N>(h, e), inner),
                   size[0] * size[1]);
    }
  });
}

/// Reads rows [t, t + tokens) of one head into a frame. `constants`: also the streams without time. `scratch`: n numbers.
template <class M, class R, class X, class... Need>
void gather(const X& x, const extents& e, const sequence& s, const head_index& h, idx t, idx tokens, bool constants,
            frame<M, R, list<Need...>>& f, R* scratch) {
  for_each_need(list<Need...>{}, [&]<class N>(N) {
    if (!N::timed && !constants) return;
    using E = element_of<N, R>;
    const auto& v = x.template of<N>();
    auto& b = f.template of<N>();
    idx size[2] = {};
    inner_extents<N>(e.n, e.d, f.micro, size);
    const int head = head_of<N>(h, e);
    const idx first = first_row<N>(s, e, t, f.writes);
    for (idx r = 0; r < f.template rows<N>(tokens); ++r) {
      idx inner[2];
      const auto* p = row_pointer<N>(v, s.batch, first + r, head, inner);
      E* out = b.p + r * b.stride;
      if constexpr (N::timed)
        if (r + rows_ahead < f.template rows<N>(tokens)) fetch<false>(p + rows_ahead * v.strides[1], size[0]);
      const bool featured = traits<M>::has_feature && is_featured<N>;
      E* in = out;
      if constexpr (std::is_same_v<E, R>) in = featured ? scratch : out;
      if constexpr (N::inner_rank == 2) {
        for (idx i = 0; i < size[0]; ++i) convert(size[1], p + i * inner[0], inner[1], in + i * size[1], idx(1));
      } else {
        convert(size[0], p, inner[0], in, idx(1));
      }
      if constexpr (traits<M>::has_feature && is_featured<N> && std::is_same_v<E, R>)
        apply_feature<typename M::feature_map>(scratch, out, e.n);
      if constexpr (N::inner == width::value)
        for (int c = e.d; c < b.stride; ++c) out[c] = E(R(1));
    }
  });
}

/// The same with a target's instructions, where a feature map is applied.
template <class M, class R, class X, class Frame>
void gather(target on, const X& x, const extents& e, const sequence& s, const head_index& h, idx t, idx tokens, bool constants, Frame& f,
            R* scratch) {
  if constexpr (traits<M>::has_feature) run_on(on, [&] { gather<M>(x, e, s, h, t, tokens, constants, f, scratch); });
  else gather<M>(x, e, s, h, t, tokens, constants, f, scratch);
}

}  // namespace coefdyn::cpu
