// SPDX-License-Identifier: MIT
#pragma once
#include "../backward.hpp"
#include "forms/chunkwise_backward.hpp"
#include "forms/definition_backward.hpp"
#include "forms/parallel_backward.hpp"
#include "forms/recurrent_backward.hpp"
#include "launch.hpp"

/// The backward kernels, form by form: groups of heads in any order, sums in a fixed one.
namespace coefdyn::cpu {

template <class M, class R, class X>
struct backward_layouts {
  static definition_backward_head<M, R, X> lay(form::definition, arena& a, const extents& e, idx longest) { return {a, e, longest}; }
  static recurrent_backward_head<M, R, X> lay(form::recurrent, arena& a, const extents& e, idx longest) { return {a, e, longest}; }
  static parallel_backward_head<M, R, X> lay(form::parallel f, arena& a, const extents& e, idx longest) {
    return {a, e, longest, tuning_for<M, R>(e.n, e.d).tile, f.drop};
  }
  /// A constant map without structure has no closed chunk form: its gradient goes token by token.
  static recurrent_backward_head<M, R, X> lay(form::chunkwise, arena& a, const extents& e, idx longest)
    requires(!traits<M>::structured)
  {
    return {a, e, longest};
  }
  static chunkwise_backward_head<M, R, X> lay(form::chunkwise f, arena& a, const extents& e, idx longest)
    requires(traits<M>::structured)
  {
    const idx length = f.length > 0 ? f.length : tuning_for<M, R>(e.n, e.d).backward_chunk;
    return {a, e, int(length < longest ? length : longest > 0 ? longest : 1), longest, f.memory.save_every > 0 ? f.memory.save_every : 1};
  }
};
template <class M, class R, class X, class Form>
std::size_t backward_bytes_per_worker(Form f, const extents& e, idx longest) {
  arena a;
  (void)backward_layouts<M, R, X>::lay(f, a, e, longest);
  return (a.used + 63) / 64 * 64;
}
template <class M, class R, class X>
std::size_t constant_bytes(const extents& e) {
  arena a;
  constant_slots<M, R, X> slots(a, e);
  return (a.used + 63) / 64 * 64;
}

template <class M, class R, class Executor, class Form, class X, class DY, class G>
void launch_backward(const Executor& over, Form f, const backward_pass<X, DY, G>& pass, std::byte* memory,
                     coefdyn::detail::at_once groups_at_once) {
  const extents& e = pass.e;
  const X& x = pass.x;
  const G& g = pass.g;
  const std::size_t per_worker = backward_bytes_per_worker<M, R, X>(f, e, pass.longest);
  using coefdyn::detail::at_once;
  const bool first = !g.accumulate && groups_at_once == at_once::all;
  clear_gradients<X>(g, first, typename X::needs{});
  arena shared{memory, constant_bytes<M, R, X>(e), 0};
  constant_slots<M, R, X> slots(shared, e);
  std::byte* const base = memory + (shared.used + 63) / 64 * 64;
  const backward_call<M, typename X::types_type, G, DY> call{g, pass.dy, pass.c, pass.s, first};
  const auto item = [&](idx group, int worker) {
    arena a{base + per_worker * static_cast<std::size_t>(worker), per_worker, 0};
    auto w = backward_layouts<M, R, X>::lay(f, a, e, pass.longest);
    R* raw = scratch_of(w);
    const int members = states_per_group(e);
    for (int member = 0; member < members; ++member) {
      const head_place head = head_of_group(x, e, group, member);
      w.grads.clear(member > 0);
      if constexpr (std::is_same_v<Form, form::definition>) definition_backward<M, R>(x, e, head, call, w);
      else if constexpr (std::is_same_v<Form, form::recurrent> || (std::is_same_v<Form, form::chunkwise> && !traits<M>::structured))
        recurrent_backward<M, R>(x, e, head, call, w);
      else if constexpr (std::is_same_v<Form, form::parallel>) parallel_backward<M, R>(x, e, head, call, w);
      else chunkwise_backward<M, R>(x, e, head, call, w);
      if (!w.grads.by_part) w.grads.leave(x, g, e, head, 0, head.tokens(), {.shared = member == members - 1, .write_only = first}, raw);
      slots.keep(e, head, w.grads);
    }
  };
  if (groups_at_once == at_once::all) over(groups(e), item);
  else if (groups_at_once == at_once::none) serial{}(groups(e), item);
  else
    over(e.keys, [&](idx key, int worker) {
      for (idx s = 0; s < e.sequences; ++s) item(s * e.keys + key, worker);
    });
  slots.add_all(x, e, g);
}
template <class W>
auto* scratch_of(W& w) {
  return w.f.scratch;
}

}  // namespace coefdyn::cpu
