// SPDX-License-Identifier: MIT
#pragma once
#include <new>

#include "../call.hpp"
#include "forms/chunkwise.hpp"
#include "forms/definition.hpp"
#include "forms/parallel.hpp"
#include "forms/recurrent.hpp"
#include "forms/recurrent_any_map.hpp"
#include "tuning.hpp"

/// Which head kernel runs a form, with what workspace, and how heads and value columns are spread over workers.
namespace coefdyn::cpu {

/// Lays out one worker's head kernel; over an empty arena it only counts bytes.
template <class M, class R, class X>
struct layouts {
  using traits_ = traits<M>;
  static definition_head<M, R, X> lay(form::definition, arena& a, const extents& e, idx longest) { return {a, e, longest}; }
  static any_map_head<M, R, X> lay(form::recurrent, arena& a, const extents& e, idx longest)
    requires(!traits_::structured)
  {
    return {a, e, longest};
  }
  static recurrent_head<M, R, X> lay(form::recurrent, arena& a, const extents& e, idx longest)
    requires(traits_::structured)
  {
    const idx length = tuning_for<M, R>(e.n, e.d).window;
    return {a, e, int(length < longest ? length : longest > 0 ? longest : 1)};
  }
  static parallel_head<M, R, X> lay(form::parallel f, arena& a, const extents& e, idx longest) {
    return {a, e, longest, tuning_for<M, R>(e.n, e.d).tile, f.drop};
  }
  static chunkwise_head<M, R, X> lay(form::chunkwise f, arena& a, const extents& e, idx longest) {
    const idx length = f.length > 0 ? f.length : tuning_for<M, R>(e.n, e.d).chunk;
    return {a, e, int(length < longest ? length : longest > 0 ? longest : 1)};
  }
};
template <class M, class R, class X, class Form>
using head_kernel = decltype(layouts<M, R, X>::lay(std::declval<Form>(), std::declval<arena&>(), extents{}, idx(0)));

/// A worker's memory: its head kernel, then what that lays out. Made once a call, however many heads the worker meets.
template <class M, class R, class X, class Form>
struct worker_memory {
  using kernel = head_kernel<M, R, X, Form>;
  static_assert(std::is_trivially_destructible_v<kernel>);
  static std::size_t bytes(Form f, const extents& e, idx longest) {
    arena a;
    a.take<kernel>(1);
    (void)layouts<M, R, X>::lay(f, a, e, longest);
    return (a.used + 63) / 64 * 64;
  }
  static void make(std::byte* at, std::size_t size, Form f, const extents& e, idx longest) {
    arena a{at, size, 0};
    kernel* const k = a.take<kernel>(1);
    new (k) kernel(layouts<M, R, X>::lay(f, a, e, longest));
  }
};

/// Columns of the values never meet in the recurrence, so a head can be cut into slices of them when there are fewer heads than
/// workers. An entry's bits do not depend on the slice. With z or m in the state, which slices would share, heads stay whole; so
/// do those of the parallel form and the definition, where scores cost as much as columns.
template <class M, class Form>
constexpr bool cuts_values = traits<M>::structured && traits<M>::linear && !traits<M>::needs_sum && !traits<M>::stabilised &&
                             (std::is_same_v<Form, form::chunkwise> || std::is_same_v<Form, form::recurrent>);
inline int value_slices(const extents& e, int workers) {
  constexpr int least = 32;  // columns
  int slices = 1;
  while (groups(e) > 0 && 2 * slices * groups(e) <= workers && e.d % (2 * slices * 16) == 0 && e.d / (2 * slices) >= least) slices *= 2;
  return slices;
}
/// Columns [from, from + count) of a view's last axis.
template <class V>
V columns_of(V v, idx from, idx count) {
  if (v.data) v.data += from * v.strides[V::rank - 1], v.extents[V::rank - 1] = count;
  return v;
}

/// `memory`: that of each worker, one after the other.
template <class M, class R, class Executor, class Form, class X, class Y>
void launch(const Executor& over, Form f, const forward_pass<X, Y>& pass, std::byte* memory) {
  using W = worker_memory<M, R, X, Form>;
  using Carried = carried<M, typename X::types_type>;
  const extents& e = pass.e;
  const idx longest = pass.longest;
  const X& x = pass.x;
  const Y& y = pass.y;
  const Carried& c = pass.c;
  const std::size_t per_worker = W::bytes(f, e, longest);
  const int workers = over.workers(), slices = cuts_values<M, Form> ? value_slices(e, workers) : 1;
  extents part = e;
  if (slices > 1) part.d = e.d / slices, part.whole_d = e.d;
  for (int worker = 0; worker < workers; ++worker)
    W::make(memory + per_worker * static_cast<std::size_t>(worker), per_worker, f, part, longest);
  const int members = states_per_group(e);
  const auto over_heads = [&](idx group, int worker, const X& x_, const Y& y_, const Carried& c_) {
    auto& kernel = *std::launder(reinterpret_cast<typename W::kernel*>(memory + per_worker * static_cast<std::size_t>(worker)));
    for (int member = 0; member < members; ++member) {
      const head_place head = head_of_group(x_, part, group, member);
      if constexpr (std::is_same_v<Form, form::definition>) definition_forward<M, R>(x_, part, head, y_, c_, kernel);
      else if constexpr (std::is_same_v<Form, form::recurrent> && traits<M>::structured)
        recurrent_forward<M, R>(x_, part, head, y_, c_, kernel);
      else if constexpr (std::is_same_v<Form, form::recurrent>) any_map_forward<M, R>(x_, part, head, y_, c_, kernel);
      else if constexpr (std::is_same_v<Form, form::parallel>) parallel_forward<M, R>(x_, part, head, y_, c_, kernel);
      else chunkwise_forward<M, R>(x_, part, head, y_, c_, kernel);
    }
  };
  over(groups(e) * slices, [&](idx item, int worker) {
    if (!cuts_values<M, Form> || slices == 1) return over_heads(item, worker, x, y, c);
    if constexpr (cuts_values<M, Form>) {
      const idx from = item % slices * part.d;
      X x_ = x;
      auto& v = x_.template of<need<stream::v, ticks::write, width::value>>();
      v = columns_of(v, from, part.d);
      Carried c_ = c;
      c_.initial.S = columns_of(c.initial.S, from, part.d), c_.final.S = columns_of(c.final.S, from, part.d);
      c_.captured.S = columns_of(c.captured.S, from, part.d);
      over_heads(item / slices, worker, x_, columns_of(y, from, part.d), c_);
    }
  });
  store_positions(x, e, c);
}

}  // namespace coefdyn::cpu
