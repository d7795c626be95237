// SPDX-License-Identifier: MIT
#pragma once
#include "overlap.hpp"
#include "tokens.hpp"

/// What is asked of the inputs of a call. The first tensor that is wrong is the one that is named: q, k and v are looked at
/// together, so that of two that agree the third is wrong, and only then the other streams, in the order of the policies.
namespace coefdyn {

namespace detail {
template <class M, class V>
void check_shape(const V& v, const extents& e, const char* prefix) {
  using Need = typename V::need_type;
  idx want[5] = {};
  expected_shape<Need, M>(e, want);
  expect_view(prefix, Need::tag::name, v, want);
}
template <class M, class X, class... Need>
void check_streams(const X& x, const extents& e, list<Need...>) {
  (check_shape<M>(x.template of<Need>(), e, ""), ...);
}
/// Gradients that are bound; a view that nobody has assigned is not wanted.
template <class M, class G, class... Need>
void check_gradients(const G& g, const extents& e, list<Need...>) {
  (
      [&] {
        const auto& v = g.template of<Need>();
        if (!is_unset(Need::rank, v.extents, v.data != nullptr)) check_shape<M>(v, e, "gradient of ");
      }(),
      ...);
}
COEFDYN_CHECK void check_offsets(const sequence_offsets& o, idx time, idx batch) {
  if (batch != 1) refuse({"cu_seqlens"}, {"B = 1 beside packed sequences"}, {"B = ", batch});
  if (o.count < 1) refuse({"cu_seqlens"}, {"at least one offset"}, {"none"});
  if (o[0] != 0) refuse({"cu_seqlens"}, {"first offset 0"}, {o[0]});
  for (idx i = 1; i < o.count; ++i)
    if (o[i] < o[i - 1]) refuse({"cu_seqlens"}, {"offsets that do not decrease"}, {o[i], " after ", o[i - 1], " at ", i});
  if (o[o.count - 1] != time) refuse({"cu_seqlens"}, {"last offset T = ", time}, {o[o.count - 1]});
}
COEFDYN_HELD(void check_offsets<>(const sequence_offsets&, idx, idx));

/// q, k and v before anything is computed from their sizes.
struct row_sizes {
  const idx *q, *k, *v;  // (B, T, H, n or d)
  bool q_there, k_there, v_there;
  idx first_read;
  int writes;
  bool packed, grouped_values;
};
/// One of them by itself.
COEFDYN_CHECK void expect_sizes(const char* name, const char* axes, const idx* e, bool there) {
  constexpr idx most = 0x7fffffff;
  if (is_unset(4, e, there)) refuse({name}, {"a tensor of shape ", axes}, {"none"});
  for (int a = 0; a < 4; ++a) {
    if (e[a] < 0) refuse({name}, {"extents ", axes, " of at least 0"}, {"shape ", {e, 4}});
    if (a > 1 && e[a] > most) refuse({name}, {"at most 2^31 - 1 heads and channels"}, {"shape ", {e, 4}});
  }
}
COEFDYN_HELD(void expect_sizes<>(const char*, const char*, const idx*, bool));
COEFDYN_CHECK void check_heads(const row_sizes& x) {
  const idx q = x.q[2], k = x.k[2], v = x.v[2];
  if (!x.grouped_values) {
    if (k != v && q == v) refuse({"k"}, {"as many heads as v (", v, ") under heads::grouped_queries"}, {k});
    if (k != v) refuse({"v"}, {"as many heads as k (", k, ") under heads::grouped_queries"}, {v});
    if (v == 0 ? q != 0 : q % v != 0) refuse({"q"}, {"a multiple of the ", v, " key/value heads"}, {q, " heads"});
  } else {
    if (q != k && q == v) refuse({"k"}, {"as many heads as q (", q, ") under heads::grouped_values"}, {k});
    if (q != k) refuse({"q"}, {"as many heads as k (", k, ") under heads::grouped_values"}, {q});
    if (k == 0 ? v != 0 : v % k != 0) refuse({"v"}, {"a multiple of the ", k, " query/key heads"}, {v, " heads"});
  }
}
COEFDYN_HELD(void check_heads<>(const row_sizes&));
COEFDYN_CHECK void check_rows(const row_sizes& x) {
  if (x.first_read < 0 || (x.first_read > 0 && x.packed))
    refuse({"first_read"}, {x.packed ? "0 beside packed sequences" : "a number of tokens >= 0"}, {x.first_read});
  expect_sizes("q", "(B, T, H, n)", x.q, x.q_there);
  expect_sizes("k", x.writes == 1 ? "(B, T, H, n)" : "(B, T writes, H, n)", x.k, x.k_there);
  expect_sizes("v", x.writes == 1 ? "(B, T, H, d)" : "(B, T writes, H, d)", x.v, x.v_there);
  const idx tokens = x.k[1] / x.writes, want[] = {x.k[0], tokens - x.first_read, x.q[2], x.q[3]};
  if (x.k[0] == x.v[0] && x.k[1] == x.v[1] && x.k[1] % x.writes == 0) {
    if (want[1] < 0) refuse({"first_read"}, {"at most the ", tokens, " tokens of k and v"}, {x.first_read});
    if (x.q[0] != want[0] || x.q[1] != want[1]) refuse({"q"}, {"shape ", {want, 4}, ", as k and v have it"}, {"shape ", {x.q, 4}});
  }
  check_heads(x);
}
COEFDYN_HELD(void check_rows<>(const row_sizes&));
}  // namespace detail

/// Every precondition on the inputs of a call; throws invalid_input before anything is written.
template <class X>
extents check(const X& x) {
  using M = typename X::mixer_type;
  const bool grouped_values = std::is_same_v<typename X::heads_type, heads::grouped_values> ||
                              (std::is_same_v<typename X::heads_type, heads::as_given> && x.k.extents[2] != x.v.extents[2]);
  const bool packed = static_cast<bool>(x.cu_seqlens);
  const detail::row_sizes rows{x.q.extents,  x.k.extents,       x.v.extents, x.q.data != nullptr, x.k.data != nullptr, x.v.data != nullptr,
                               x.first_read, traits<M>::writes, packed,      grouped_values};
  detail::check_rows(rows);
  const extents e = extents_of(x);
  if constexpr (traits<M>::structure.turns == turning::half_pairs || traits<M>::structure.turns == turning::adjacent_pairs)
    if (e.n % 2) detail::refuse({"q"}, {"an even n for pairs of channels"}, {"n = ", e.n});
  if constexpr (requires { M::evolution::max_n; })
    if (e.n > M::evolution::max_n) detail::refuse({"q"}, {"n <= ", M::evolution::max_n, " for this evolution"}, {"n = ", e.n});
  detail::check_streams<M>(x, e, typename X::needs{});
  if (x.cu_seqlens) detail::check_offsets(x.cu_seqlens, e.time, e.batch);
  return e;
}

}  // namespace coefdyn
