// SPDX-License-Identifier: MIT
#pragma once
#include "../skeletons/chunk.hpp"
#include "../skeletons/constant_map.hpp"
#include "../stages/head.hpp"
#include "../stages/lower.hpp"
#include "../stages/machine.hpp"

/// The chunkwise form: matrix products within chunks of C tokens, the state between them.
/// source  Yang et al., arXiv:2312.06635 and arXiv:2406.06484
namespace coefdyn::cpu {

template <class M, class R, class X>
struct chunkwise_head {
  using traits_ = traits<M>;
  int length = 0;
  bool from_nothing = false;  // no state comes in
  state_frame<M, R, X::over> in;
  reader_frame<M, R, X::over> reads;
  operands<M, R> o;
  chunk<M, R> k;
  R *S = nullptr, *Q = nullptr, *p = nullptr, *Y = nullptr, *scratch = nullptr;
  R* turned = nullptr;  // (n, e): a state on its way out

  chunkwise_head() = default;
  chunkwise_head(arena& a, const extents& size, int length_, bool backward = false)
      : length(length_),
        in(a, shape(size, length_)),
        reads(a, shape(size, length_)),
        o(a, length_, size.n, padded_width<M>(size.d), traits_::micro > 1 && !traits_::structure.writes_each),
        k(a, length_ * traits_::micro, traits_::lowered(size.n), padded_width<M>(size.d), products_of<M, R, X>(backward), backward) {
    const idx rows = idx(length) * traits_::micro, n = traits_::lowered(size.n), columns = padded_width<M>(size.d);
    S = a.take<R>(n * columns), Q = a.take<R>(rows * n), p = a.take<R>(length), Y = a.take<R>(rows * columns),
    scratch = a.take<R>(3 * idx(size.n));
    if (operands<M, R>::turns && !backward) turned = a.take<R>(n * columns);
  }
  static frame_shape shape(const extents& size, int length) {
    return {.n = size.n, .d = size.policy_d(), .e = padded_width<M>(size.d), .tokens = length};
  }

  /// Streams and operands of tokens [t, t + count); m goes in and out.
  void load(const X& x, const extents& size, const head_place& head, idx t, int count, idx position, R& m) {
    gather<M>(k.machine.where(), x, size, head.s, head.at(0), t, count, t == 0, in, scratch);
    o.tokens = count;
    o.rows = count * traits_::micro;
    o.from_nothing = from_nothing && t == 0;
    lower<M>(k.machine.where(), in, position + t, m, o);
    if constexpr (!traits_::structured)
      if (t == 0)
        k.take_map([&, at = in.at(0, 0, position)](auto* column) {
          M::evolution::apply(at, column_view<std::remove_pointer_t<decltype(column)>>{column, 1});
        });
  }
  /// Queries of reader r over the same tokens: where they lie.
  R* load_reads(const X& x, const extents& size, const head_place& head, int r, idx t, int count, int from) {
    gather<M>(k.machine.where(), x, size, head.s, head.at(r), t + from, count - from, true, reads, scratch);
    return lower_reads<M>(reads, o, from, Q, p);
  }
};

/// y of the chunk [t, t + count): every reader's rows from the state at its start, S.
template <class M, class R, class X, class Y>
void chunkwise_reads(const X& x, const extents& size, const head_place& head, const Y& y, idx start, idx t, int count,
                     chunkwise_head<M, R, X>& w) {
  const int width = padded_width<M>(size.d), from = unread(size, t, count);
  for (int r = 0; r < head.readers && from < count; ++r) {
    const R* Q = w.load_reads(x, size, head, r, t, count, from);
    w.k.read(w.o, Q, w.p, w.S, w.Y);
    run_on(w.k.machine.where(), [&] {
      for (int i = from; i < count; ++i) {
        const output_row row = head.row(t + i - size.first_read, r);
        if (i + rows_ahead < count && y.strides[3] == 1) fetch<true>(row.in(y) + rows_ahead * y.strides[1], size.d);
        finish_row<M, R>(w.Y + idx(read_row<M>(i)) * width, size.d, w.o.m[i], w.reads.at(i - from, 0, start + t + i), y, row);
      }
    });
  }
}

template <class M, class R, class X, class Y, class Types>
void chunkwise_forward(const X& x, const extents& size, const head_place& head, const Y& y, const carried<M, Types>& c,
                       chunkwise_head<M, R, X>& w) {
  const idx tokens = head.tokens(), start = initial_position(c, head.index);
  const int width = padded_width<M>(size.d);
  load_state<M>(c, head, size, width, w.S);
  R m = initial_maximum<M, Types, R>(c, head.index, head.state);
  w.from_nothing = !c.initial;
  w.o.begin_sequence();
  const auto keep = [&](const auto& to, idx slot) {
    store_state<M>(to, slot, head.state, size, width, turned_copy(w.o, w.S, width, width, w.turned), m);
  };
  auto captured = captures_of(c, head, size);
  captured.after(0, keep);
  over_chunks(tokens, w.length, c.positions, [&](idx t, int count) {
    w.load(x, size, head, t, count, start, m);
    w.k.prepare(w.o, w.S);
    chunkwise_reads(x, size, head, y, start, t, count, w);
    w.k.advance(w.o, w.S);
    captured.after(t + count, keep);
  });
  if (c.final) keep(c.final, head.index);
}

}  // namespace coefdyn::cpu
