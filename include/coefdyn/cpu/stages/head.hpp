// SPDX-License-Identifier: MIT
#pragma once
#include "../../core/state.hpp"
#include "frame.hpp"
#include "maximum.hpp"

/// What every form does around its own loop: which heads go together, states in and out, and the last step of a read.
namespace coefdyn::cpu {

/// A row of y or dy: token t of a batch row as one reading head sees it.
struct output_row {
  idx batch, t;
  int reader;
  template <class V>
  COEFDYN_HD auto* in(const V& y) const {
    return y.data + batch * y.strides[0] + t * y.strides[1] + reader * y.strides[2];
  }
};
/// One sequence of one state head and the heads that read it.
struct head_place {
  sequence s;
  idx index = 0;  // of the sequence
  int state = 0;
  int first_reader = 0, readers = 1;
  COEFDYN_HD idx tokens() const { return s.end - s.begin; }
  COEFDYN_HD head_index at(int r) const { return {state, first_reader + r}; }
  /// Reader r's row t of y, counted from the sequence's first token.
  output_row row(idx t, int r) const { return {s.batch, s.begin + t, first_reader + r}; }
};
COEFDYN_HD inline int readers_per_state(const extents& e) { return e.states ? e.readers / e.states : 0; }
/// Heads are visited in groups that share a key head, so that shared gradients are summed in a fixed order.
COEFDYN_HD inline int states_per_group(const extents& e) { return e.keys ? e.states / e.keys : 0; }
inline idx groups(const extents& e) { return e.sequences * e.keys; }
template <class X>
COEFDYN_HD head_place head_of_group(const X& x, const extents& e, idx group, int member) {
  head_place h;
  h.index = group / e.keys;
  h.s = sequence_at(x, e, h.index);
  h.state = int(group % e.keys) * states_per_group(e) + member;
  h.readers = readers_per_state(e);
  h.first_reader = h.state * h.readers;
  return h;
}

/// Moves `head` to the next state head (of the next sequence after the last head). False after the last sequence.
template <class X>
bool next_head(const X& x, const extents& e, head_place& head) {
  if (head.state + 1 == e.states) {
    if (head.index + 1 == e.sequences) return false;
    head.s = sequence_at(x, e, ++head.index);
    head.state = -1;
  }
  head.first_reader = ++head.state * head.readers;
  return true;
}

/// The scalar part of b_j, divided by e^m. Its per-channel part is multiplied into the key (K_c = k_c b_c, see write_key).
template <class M, class At>
COEFDYN_HD auto write_b(const At& at, typename At::real m) {
  using R = typename At::real;
  R b(1);
  if constexpr (traits<M>::scale_is_scalar) b = R(M::scaling::scale(at));
  if constexpr (traits<M>::exponential) b = b * math::exp(R(M::scaling::log_scale(at)) - (traits<M>::stabilised ? m : R(0)));
  return b;
}
template <class M, class E, class At>
COEFDYN_HD E write_key(const At& at, int c) {
  if constexpr (traits<M>::scale_is_scalar) return E(at.k[c]);
  else return typename At::real(M::scaling::scale(at, c)) * E(at.k[c]);
}

template <class M, class Types>
COEFDYN_HD idx initial_position(const carried<M, Types>& c, idx sequence) {
  return c.initial && c.initial.position ? c.initial.position(sequence) : 0;
}

/// Width of a value row: with a sum, the normalizer rides as one more column, of ones.
template <class M>
COEFDYN_HD int value_width(int d) {
  return d + (traits<M>::needs_sum ? 1 : 0);
}
/// The same for forms made of matrix products: whole vectors, so that rows stay aligned. Columns after d repeat the normalizer.
template <class M>
int padded_width(int d) {
  return traits<M>::needs_sum ? (d + 16) / 16 * 16 : d;
}

/// Element (c, v) of a kernel's state, lowered ([Re; Im], R) or not (complex), as the caller's.
template <class E, class X>
COEFDYN_HD E state_out(const X* S, idx e, int n, int c, idx v) {
  if constexpr (is_complex<E> && !is_complex<X>) return converted<E>(complex<X>{S[c * e + v], S[(c + n) * e + v]});
  else return converted<E>(S[c * e + v]);
}
template <class X, class E>
COEFDYN_HD void state_in(X* S, idx e, int n, int c, idx v, const E& value) {
  if constexpr (is_complex<E> && !is_complex<X>) {
    S[c * e + v] = static_cast<X>(value.re);
    S[(c + n) * e + v] = static_cast<X>(value.im);
  } else {
    S[c * e + v] = converted<X>(value);
  }
}

/// Rows of S (n, e) from and to the caller's state.
template <class V, class X>
void load_matrix(const V& from, idx sequence, int h, int n, int d, int e, X* S) {
  using E = std::remove_cvref_t<decltype(from(0, 0, 0, 0))>;
  for (int r = 0; r < n; ++r) {
    if constexpr (is_complex<E> == is_complex<X>) convert(d, &from(sequence, h, r, 0), from.strides[3], S + idx(r) * e, idx(1));
    else
      for (int v = 0; v < d; ++v) state_in(S, e, n, r, v, from(sequence, h, r, v));
  }
}
template <class V, class X>
void store_matrix(const V& to, idx sequence, int h, int n, int d, int e, const X* S) {
  using E = std::remove_cvref_t<decltype(to(0, 0, 0, 0))>;
  for (int r = 0; r < n; ++r) {
    if constexpr (is_complex<E> == is_complex<X>) convert(d, S + idx(r) * e, idx(1), &to(sequence, h, r, 0), to.strides[3]);
    else
      for (int v = 0; v < d; ++v) to(sequence, h, r, v) = state_out<E>(S, e, n, r, v);
  }
}
template <class M, class V, class X, class R>
void store_rest(const V& out, idx sequence, int h, int n, idx stride, const X* z, R m) {
  if constexpr (traits<M>::needs_sum)
    for (int r = 0; r < n; ++r) out.z(sequence, h, r) = state_out<std::remove_cvref_t<decltype(out.z(0, 0, 0))>>(z, stride, n, r, 0);
  if constexpr (traits<M>::stabilised) out.m(sequence, h) = math::converted_maximum<std::remove_cvref_t<decltype(out.m(0, 0))>>(m);
}
/// Loads the caller's initial state (or zeros) into S (n, width), normalizer column at d.
template <class M, class Types, class X>
void load_state(const carried<M, Types>& c, const head_place& head, const extents& size, int width, X* S) {
  const idx sequence = head.index;
  const int h = head.state, n = size.n, d = size.d, e = width;
  const int rows = is_complex<X> ? n : traits<M>::lowered(n);
  clear(S, idx(rows) * e);
  if (!c.initial) return;
  load_matrix(c.initial.S, sequence, h, n, d, e, S);
  if constexpr (traits<M>::needs_sum)
    for (int r = 0; r < n; ++r) state_in(S, e, n, r, d, c.initial.z(sequence, h, r));
}
template <class M, class V, class X, class R>
void store_state(const V& out, idx slot, int h, const extents& size, int width, const X* S, R m) {
  store_matrix(out.S, slot, h, size.n, size.d, width, S);
  store_rest<M>(out, slot, h, size.n, width, S + size.d, m);
}

/// The states that a call wants on its way, in the order in which a head comes by them.
template <class M, class Types>
struct captures {
  const carried<M, Types>& c;
  idx sequence, sequences, tokens;
  std::size_t next = 0;
  /// keep(c.captured, slot) for each position of at most `done` tokens; one beyond the last token counts as that.
  template <class Keep>
  void after(idx done, Keep keep) {
    for (; next < c.positions.size() && (c.positions[next] <= done || done == tokens); ++next)
      keep(c.captured, idx(next) * sequences + sequence);
  }
};
template <class M, class Types>
captures<M, Types> captures_of(const carried<M, Types>& c, const head_place& head, const extents& size) {
  return {.c = c, .sequence = head.index, .sequences = size.sequences, .tokens = head.tokens()};
}

/// Positions that leave a call; all heads have read the ones that came in, which may be the same memory.
template <class M, class X, class Types>
void store_positions(const X& x, const extents& e, const carried<M, Types>& c) {
  for (idx s = 0; s < e.sequences; ++s) {
    const sequence q = sequence_at(x, e, s);
    const idx tokens = q.end - q.begin, start = initial_position(c, s);
    for (std::size_t p = 0; p < c.positions.size(); ++p)
      if (c.captured.position) c.captured.position(idx(p) * e.sequences + s) = start + (c.positions[p] < tokens ? c.positions[p] : tokens);
    if (c.final && c.final.position) c.final.position(s) = start + tokens;
  }
}

/// The sum of a read's weights: its last column, or 0 where the normalization needs none.
template <class M, class R>
COEFDYN_HD R sum_of(const R* numerator, int d) {
  return traits<M>::needs_sum ? numerator[d] : R(0);
}
/// y = inverse * numerator of one row; a row whose weights are all exactly zero gives 0.
template <class M, class R, class At, class Y>
void finish_row(const R* numerator, int d, R m, const At& at, const Y& y, const output_row& row) {
  using Stored = std::remove_cvref_t<decltype(y(0, 0, 0, 0))>;
  const R sum = sum_of<M>(numerator, d);
  const R f = inverse_eta<typename M::normalization>(sum, m, at);
  Stored* out = row.in(y);
  const idx stride = y.strides[3];
  if constexpr (std::is_same_v<Stored, R>)
    if (numerator == out && f == R(1)) return;  // the form has put it there
  if (traits<M>::needs_sum && sum == R(0)) {
    for (int v = 0; v < d; ++v) out[v * stride] = converted<Stored>(numerator[v] == R(0) ? R(0) : f * numerator[v]);
  } else if (stride == 1) {
    by_channel(d, out, [&](int v) { return converted<Stored>(f * numerator[v]); });
  } else {
    for (int v = 0; v < d; ++v) out[v * stride] = converted<Stored>(f * numerator[v]);
  }
}
}  // namespace coefdyn::cpu
