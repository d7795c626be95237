// SPDX-License-Identifier: MIT
#pragma once
#include "../fourier.hpp"
#include "../stages/impulse.hpp"

/// The convolution of a time-invariant mixer whose queries and keys are the same at every token.
///
///   y_i = sum_{j<=i} K_(i-j) v_j,   K_t = q' A^t b k / eta;   in frequencies, over 2 T numbers and more: y^ = K^ v^
///
/// All of it is computed in double: the transforms, which run no faster in float, and the powers of A.
namespace coefdyn::cpu {

/// Whether all sequences have the same kernel: one batch row, or queries and keys that do not depend on it.
template <class X>
bool shares_kernel(const X& x) {
  const auto same = [](const auto& v) { return v.strides[0] == 0 || v.extents[0] <= 1; };
  return same(x.q) && same(x.k);
}
/// Heads that share a key head, over the sequences that share a kernel: what one worker does at a time.
template <class X>
idx convolution_items(const X& x, const extents& e) {
  return shares_kernel(x) ? e.keys : groups(e);
}
/// The extents of the kernels that are made: those of one sequence, where all share it.
template <class X>
extents kernels_apart(const X& x, extents e) {
  if (shares_kernel(x) && e.sequences > 1) e.sequences = 1;
  return e;
}
/// Bytes in whole cache lines.
constexpr std::size_t whole_lines(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

/// A column of a row of the caller's, over a sequence: numbers `stride` apart.
template <class V>
struct column_of_rows {
  V* p;
  idx stride;
};
template <class V>
auto column_at(const V& v, const sequence& s, idx first, int h, int column) {
  using N = std::remove_pointer_t<decltype(v.data)>;
  return column_of_rows<N>{v.data + s.batch * v.strides[0] + (s.begin + first) * v.strides[1] + h * v.strides[2] + column * v.strides[3],
                           v.strides[1]};
}

template <class M, class R, class X>
struct convolution_head {
  impulse_response<M, R, X> response;
  idx length = 0, bins = 0;                      // of the transforms
  R* row = nullptr;                              // (length)
  complex<R>*one = nullptr, *product = nullptr;  // (bins)
  complex<R>* kernels = nullptr;                 // of each reader of the state (readers, bins)

  convolution_head() = default;
  convolution_head(arena& a, const extents& e, idx longest)
      : response(a, e, longest), length(transform_length(longest > 0 ? longest : 1)), bins(length / 2 + 1) {
    row = a.take<R>(length), one = a.take<complex<R>>(bins), product = a.take<complex<R>>(bins),
    kernels = a.take<complex<R>>(idx(readers_per_state(e)) * bins);
  }
  /// row[0 .. count) and zeros, transformed.
  void transform_row(idx count, complex<R>* to) {
    clear(row + count, length - count);
    transform(length, row, to);
  }
  template <class V>
  void transform_column(const column_of_rows<V>& from, idx count, complex<R>* to) {
    convert(count, from.p, from.stride, row, idx(1));
    transform_row(count, to);
  }
  /// The kernels of all readers of a state head.
  void prepare(const X& x, const extents& e, const head_place& head) {
    response.write(x, e, head);
    for (int r = 0; r < head.readers; ++r) {
      response.read(x, e, head, r);
      copy(response.out, response.time, row);
      transform_row(response.time, kernels + r * bins);
    }
  }
};

/// The state head of `head` in another sequence.
template <class X>
head_place in_sequence(const X& x, const extents& e, head_place head, idx sequence) {
  head.index = sequence, head.s = sequence_at(x, e, sequence);
  return head;
}

/// One sequence of a state head whose kernels are there.
template <class M, class R, class X, class Y>
void convolve(const X& x, const extents& e, const head_place& head, const Y& y, convolution_head<M, R, X>& w) {
  const idx tokens = head.tokens();
  if (tokens <= e.first_read) return;
  for (int u = 0; u < e.d; ++u) {
    w.transform_column(column_at(x.v, head.s, 0, head.state, u), tokens, w.one);
    for (int r = 0; r < head.readers; ++r) {
      const complex<R>* kernel = w.kernels + r * w.bins;
      for (idx f = 0; f < w.bins; ++f) w.product[f] = kernel[f] * w.one[f];
      transform_back(w.length, w.product, w.row);
      const auto to = column_at(y, head.s, 0, head.first_reader + r, u);
      convert(tokens - e.first_read, w.row + e.first_read, idx(1), to.p, to.stride);
    }
  }
}
/// Forward of item `item` of convolution_items.
template <class M, class R, class X, class Y>
void convolution_forward(const X& x, const extents& e, idx item, const Y& y, convolution_head<M, R, X>& w) {
  const bool shared = shares_kernel(x);
  for (int member = 0; member < states_per_group(e); ++member) {
    const head_place head = head_of_group(x, e, item, member);
    if (!shared && head.tokens() == 0) continue;
    w.prepare(x, e, head);
    for (idx s = head.index; s < (shared ? e.sequences : head.index + 1); ++s) convolve<M, R>(x, e, in_sequence(x, e, head, s), y, w);
  }
}

}  // namespace coefdyn::cpu
