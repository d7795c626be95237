// SPDX-License-Identifier: MIT
#pragma once
#include <span>

#include "low_precision.hpp"
#include "mixer.hpp"

/// The tensors of one call: inputs under the names of their streams, and their extents.
namespace coefdyn {

/// Number types of a call: what q, k, v are stored in, what gates are stored in, what sums are kept in, what states are
/// stored in. Arithmetic is in Accumulate. Gates and what they accumulate to are never below float.
template <class Storage, class Gate = Storage, class Accumulate = Gate, class State = Accumulate>
struct types {
  using storage = Storage;
  using gate = Gate;
  using accumulate = Accumulate;
  using state = State;
  static_assert(!std::is_same_v<Gate, bf16> && !std::is_same_v<Gate, half> && !std::is_same_v<Accumulate, bf16> &&
                    !std::is_same_v<Accumulate, half>,
                "coefdyn: gates and accumulation are never below float; write types<bf16, float> for bf16 storage.");
};
namespace detail {
template <class T>
struct as_types {
  using type = types<T>;
};
template <>
struct as_types<bf16> {
  using type = types<bf16, float>;
};
template <>
struct as_types<half> {
  using type = types<half, float>;
};
template <class... T>
struct as_types<types<T...>> {
  using type = types<T...>;
};
}  // namespace detail

/// How heads are shared; the head read is always h / (ratio), contiguous groups.
namespace heads {
struct grouped_queries {};  // GQA: H_q a multiple of H_kv; several query heads read one key/value head's state
struct grouped_values {};   // GVA: H_v a multiple of H_qk; several value heads, each with its state, share one query/key head
struct as_given {};         // whichever of the two the extents of q, k and v say, for callers who learn them when the program runs
}  // namespace heads

/// Sequence boundaries of packed tokens (B = 1): N + 1 offsets from 0 to T, not decreasing; 32 or 64 bit.
struct sequence_offsets {
  const std::int32_t* offsets32 = nullptr;
  const std::int64_t* offsets64 = nullptr;
  idx count = 0;
  constexpr sequence_offsets() = default;
  constexpr sequence_offsets(std::span<const std::int32_t> s) : offsets32(s.data()), count(idx(s.size())) {}
  constexpr sequence_offsets(std::span<const std::int64_t> s) : offsets64(s.data()), count(idx(s.size())) {}
  COEFDYN_HD constexpr idx operator[](idx i) const { return offsets32 ? idx(offsets32[i]) : idx(offsets64[i]); }
  COEFDYN_HD constexpr explicit operator bool() const { return offsets32 || offsets64; }
};

/// A stream bound to a caller's array. Assign a view of the rank that its shape class has.
template <class Need, class T>
struct stream_view : view<T, Need::rank> {
  using need_type = Need;
  constexpr stream_view() = default;
  constexpr stream_view(const stream_view&) = default;
  constexpr stream_view& operator=(const stream_view&) = default;
  template <class U, int Rank>
  constexpr stream_view& operator=(const view<U, Rank>& v) {
    static_assert(Rank == Need::rank,
                  "coefdyn: this stream has another shape: per token (B, T, H), per channel (B, T, H, n), fixed (H) or (H, n), "
                  "a product's factors (B, T, H, m) and (B, T, H, m, n); the type above names the stream and its class.");
    constexpr bool same_numbers = std::is_same_v<std::remove_const_t<U>, std::remove_const_t<T>>;
    constexpr bool writable = std::is_const_v<T> || !std::is_const_v<U>;
    static_assert(Rank != Need::rank || same_numbers,
                  "coefdyn: the view's numbers are of another type than the stream's: tokens<M> holds float, tokens<M, double> double, "
                  "types<storage, gate, ...> each its own; name the type of your numbers there, or convert them.");
    static_assert(Rank != Need::rank || !same_numbers || writable, "coefdyn: a gradient is written, and this view is of const numbers.");
    if constexpr (Rank == Need::rank && same_numbers && writable) static_cast<view<T, Rank>&>(*this) = v;
    return *this;
  }
  template <class Other>
    requires(!is_view<Other>)
  constexpr stream_view& operator=(const Other&) {
    static_assert(sizeof(Other) == 0,
                  "coefdyn: a stream is bound to a view of your numbers, with their extents: x.q = view(q.data(), B, T, H, n).");
    return *this;
  }
};
namespace detail {
template <class Need, class Types>
using stored_as =
    std::conditional_t<Need::over == field::complex,
                       complex<std::conditional_t<Need::tag::held_in == precision::storage, typename Types::storage, typename Types::gate>>,
                       std::conditional_t<Need::tag::held_in == precision::storage, typename Types::storage, typename Types::gate>>;
template <class Types, bool Writable, class Needs>
struct bound_streams;
template <class Types, bool Writable, class... Need>
struct bound_streams<Types, Writable, list<Need...>>
    : Need::tag::template field<stream_view<Need, std::conditional_t<Writable, stored_as<Need, Types>, const stored_as<Need, Types>>>>... {
  /// The view of one need, without its name.
  template <class N>
  COEFDYN_HD auto& of() {
    using T = std::conditional_t<Writable, stored_as<N, Types>, const stored_as<N, Types>>;
    typename N::tag::template field<stream_view<N, T>>& holder = *this;
    auto& [the_view] = holder;
    auto* const at = &the_view;  // nvcc takes the binding itself for a local variable
    return *at;
  }
  template <class N>
  COEFDYN_HD const auto& of() const {
    using T = std::conditional_t<Writable, stored_as<N, Types>, const stored_as<N, Types>>;
    const typename N::tag::template field<stream_view<N, T>>& holder = *this;
    const auto& [the_view] = holder;
    auto* const at = &the_view;  // nvcc takes the binding itself for a local variable
    return *at;
  }
  /// Binds one need, without its name.
  template <class N, class V>
  COEFDYN_HD void set(const V& the_new) {
    using T = std::conditional_t<Writable, stored_as<N, Types>, const stored_as<N, Types>>;
    typename N::tag::template field<stream_view<N, T>>& holder = *this;
    auto& [the_view] = holder;
    the_view = the_new;
  }
};
}  // namespace detail

/// Inputs of a mixer: members q, k, v and the streams that its policies name, each a view of a caller's array.
///
/// shape   q (B, T, H, n), k (B, T w, H, n), v (B, T w, H, d), w writes per token; streams as their need says
/// error   checked before anything is written (`check`): invalid_input with the tensor's name
template <class M, class Types = float, class Heads = heads::grouped_queries, field Over = field::real>
struct tokens : detail::bound_streams<typename detail::as_types<Types>::type, false, needs_of<M, Over>> {
  using mixer_type = M;
  using types_type = typename detail::as_types<Types>::type;
  using heads_type = Heads;
  using needs = needs_of<M, Over>;
  using real = typename types_type::accumulate;
  static constexpr field over = Over;
  static_assert(Over == field::real || traits<M>::complex_state,
                "coefdyn: complex q and k need an evolution over the complex numbers; use evolution::complex_diagonal, "
                "fixed_complex_diagonal or dense<field::complex>.");
  static_assert(Over == field::real || !traits<M>::has_feature,
                "coefdyn: a feature map acts on real q and k only; use feature::identity with complex q and k.");
  sequence_offsets cu_seqlens;  // empty: every batch row is one sequence
  /// Tokens before this one are a cache: written, not read. q, the reader's streams and y then have T - first_read rows.
  idx first_read = 0;
};

/// Gradients of a mixer's inputs, under the same names; a member left empty is not computed into.
template <class M, class Types = float, class Heads = heads::grouped_queries, field Over = field::real>
struct gradients : detail::bound_streams<typename detail::as_types<Types>::type, true, needs_of<M, Over>> {
  bool accumulate = false;  // add to what is there instead of overwriting
};

/// Sizes of a call.
struct extents {
  idx batch = 0, time = 0, first_read = 0;             // B, T, tokens that are written only
  int readers = 0, states = 0, queries = 0, keys = 0;  // heads that read, that hold a state, of q, of k
  int n = 0, d = 0;
  int whole_d = 0;    // where d is only a slice of the value columns: all of them; else 0
  idx sequences = 0;  // B, or packed sequences
  /// d as policies see it.
  COEFDYN_HD int policy_d() const { return whole_d ? whole_d : d; }
  COEFDYN_HD int heads_of(owner o) const {
    return o == owner::query ? queries : o == owner::key ? keys : o == owner::state ? states : o == owner::reader ? readers : 1;
  }
};
/// Rows of one sequence: of a batch row, or of a packed batch.
struct sequence {
  idx batch, begin, end;  // rows of time
};
/// Sequence i of a call.
template <class X>
COEFDYN_HD sequence sequence_at(const X& x, const extents& e, idx i) {
  if (x.cu_seqlens) return {0, x.cu_seqlens[i], x.cu_seqlens[i + 1]};
  return {i, 0, e.time};
}
/// Tokens of the longest sequence; offsets are read on the host.
template <class X>
idx longest_sequence(const X& x, const extents& e) {
  if (!x.cu_seqlens) return e.sequences > 0 ? e.time : 0;
  idx longest = 0;
  for (idx i = 0; i < e.sequences; ++i) {
    const sequence s = sequence_at(x, e, i);
    longest = s.end - s.begin > longest ? s.end - s.begin : longest;
  }
  return longest;
}

/// Extents of the inner axes of a stream.
template <class Need>
COEFDYN_HD constexpr void inner_extents(int n, int d, int micro, idx (&out)[2]) {
  constexpr width w = Need::inner;
  out[0] = w == width::key || w == width::matrix ? n : w == width::value ? d : w == width::pairs ? n / 2 : w == width::scalar ? 1 : micro;
  out[1] = w == width::matrix || w == width::factors_key ? n : 1;
}
/// Numbers in one row of one head of a stream.
template <class Need>
COEFDYN_HD constexpr idx inner_size(int n, int d, int micro) {
  idx e[2] = {};
  inner_extents<Need>(n, d, micro, e);
  return e[0] * e[1];
}

namespace detail {
/// The extents that a stream has in a call.
template <class Need, class M>
void expected_shape(const extents& e, idx (&out)[5]) {
  int a = 0;
  if (Need::timed) {
    out[a++] = e.batch;
    constexpr bool reading = Need::heads == owner::query || Need::heads == owner::reader;
    out[a++] = (reading ? e.time - e.first_read : e.time) * (Need::time == ticks::write ? traits<M>::writes : 1);
  }
  if (Need::headed) out[a++] = e.heads_of(Need::heads);
  idx inner[2] = {};
  inner_extents<Need>(e.n, e.d, traits<M>::micro, inner);
  for (int i = 0; i < Need::inner_rank; ++i) out[a++] = inner[i];
}
}  // namespace detail

/// The sizes that q, k and v imply. Nothing is checked; `check` (check.hpp) does.
template <class X>
extents extents_of(const X& x) {
  extents e;
  e.batch = x.q.extents[0];
  e.first_read = x.first_read;
  e.time = x.q.extents[1] + x.first_read;
  e.queries = int(x.q.extents[2]);
  e.keys = int(x.k.extents[2]);
  e.states = int(x.v.extents[2]);
  e.readers = e.queries > e.states ? e.queries : e.states;
  e.n = int(x.q.extents[3]);
  e.d = int(x.v.extents[3]);
  e.sequences = x.cu_seqlens ? x.cu_seqlens.count - 1 : e.batch;
  return e;
}

}  // namespace coefdyn
