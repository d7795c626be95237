// SPDX-License-Identifier: MIT
#pragma once
#include <vector>

#include "cpu/launch_backward.hpp"
#include "run.hpp"

/// Gradients of everything, for every form: with dy (B, T, H_q, d) and, where a state leaves, the gradient of the final state,
/// those of all streams (constant ones summed over batch and time), and of the initial state.
///
/// ```cpp statements with call
/// backward(device::cpu{}, form::chunkwise{}, x, dy, g);                        // gradients<M> g: empty members are skipped
/// backward(device::cpu{}, form::chunkwise{}, x, dy, g, {s, {}}, {ds, ds}, memory);  // states, their gradients, a workspace
/// ```
///
/// Nothing is saved by the forward call: states, tiles and normalizers are recomputed (workspace: O(T (n + d)) plus chunk states).
/// error   invalid_input, before anything is written
/// source  arXiv:2510.09389 (definition); the chain rule on each form's equations, which stand in its file under cpu/
namespace coefdyn {

namespace detail {
template <class G, class... Need>
bool repeats(const G& g, list<Need...>) {  // a gradient with a stride of 0 is a sum over items
  bool any = false;
  (
      [&] {
        const auto& v = g.template of<Need>();
        if (v.data)
          for (int a = 0; a < Need::rank; ++a) any = any || (v.strides[a] == 0 && v.extents[a] > 1);
      }(),
      ...);
  return any;
}
[[gnu::noinline]] inline void check_gradient_state(const any_state& s, const extents& e, const char* name) {
  const idx S_want[] = {e.sequences, e.states, e.n, e.d}, z_want[] = {e.sequences, e.states, e.n};
  if (s.given()) expect_view(name, " S", s.S, S_want);
  if (s.z.data) expect_view(name, " z", s.z, z_want);
}
template <class X, class G, class DY, class Types>
void check_backward(const X& x, const extents& e, const DY& dy, const G& g, const carried<typename X::mixer_type, Types>& c,
                    const carried_gradients<typename X::mixer_type, Types>& s, const workspace& ws) {
  if (e.first_read > 0) refuse({"first_read"}, {"0 for gradients: every token is read"}, {e.first_read});
  const idx want[] = {e.batch, e.time, e.readers, e.d};
  expect_view("", "dy", dy, want);
  check_gradients<typename X::mixer_type>(g, e, typename X::needs{});
  const any_state initial(c.initial), from(s.final), to(s.initial);
  if constexpr (traits<typename X::mixer_type>::linear) {
    check_states(initial, c.final, c.captured, c.positions, e);
    check_gradient_state(from, e, "gradient of the final state"), check_gradient_state(to, e, "gradient of the initial state");
  } else if (initial.given() || from.given() || to.given()) {
    refuse({"carry"}, {"no state of n x d: the readout is not linear (Lemma 1)"}, {"a state"});
  }
  region all[2 * count_of(typename X::needs{}) + 14];
  regions memory(all);
  add_streams(memory, "gradient of ", g, typename X::needs{});
  write_state(memory, "gradient of the initial state", to, true);
  const view<std::byte, 1> scratch(ws.data(), idx(ws.size()));
  memory.add("", "workspace", scratch);
  memory.end_of_written();
  memory.add("", "dy", dy), add_streams(memory, "", x, typename X::needs{});
  memory.add_state("gradient of the final state", from.S, from.z, from.m, from.position, true);
  memory.add_state("initial state", initial.S, initial.z, initial.m, initial.position, false);
  memory.expect_apart();
}
}  // namespace detail

/// What a backward pass computes in: as forward; but where gradients are differences of sums over tokens, which float would spoil,
/// the tiled forms of a float mixer run in double: those of angles, and of gates and a running maximum in the parallel form.
template <class M, class Form>
constexpr bool gradients_by_differences =
    std::is_same_v<Form, form::parallel>
        ? traits<M>::structure.turns != turning::none || traits<M>::stabilised || traits<M>::structure.decay != gate::none
        : std::is_same_v<Form, form::chunkwise> && traits<M>::structure.turns != turning::none;
/// Type of the arithmetic of a form's backward pass: wider than the forward's where gradients are differences of sums.
template <class M, class Form, class R>
using backward_real = std::conditional_t<gradients_by_differences<M, Form>, cpu::wide<R>, form_real<Form, R>>;

/// Bytes that `backward` needs in its workspace, wherever it begins.
template <class Executor, class Form, class X>
std::size_t backward_workspace_bytes(const device::cpu<Executor>& on, Form form_, const X& x) {
  using M = typename X::mixer_type;
  using R = typename X::real;
  theorem<Form, M>();
  if constexpr (form_exists<Form, M>) {
    detail::check_form(form_), detail::check_device(on);
    const extents e = check(x);
    return detail::with_form<M>(form_, e, cpu::longest_sequence(x, e), [&](auto f) {
      using W = backward_real<M, decltype(f), R>;
      return cpu::constant_bytes<M, W, X>(e) +
             static_cast<std::size_t>(on.executor.workers()) * cpu::backward_bytes_per_worker<M, W, X>(f, x, e) + detail::alignment_slack;
    });
  } else {
    return 0;
  }
}

/// The same on the CPU, in a workspace of the caller's.
template <class Executor, class Form, class X, class DY, class G, bool Looks = detail::looks_at_values>
void backward(const device::cpu<Executor>& on, Form form_, const X& x, const view<DY, 4>& dy, const G& g,
              const carried<typename X::mixer_type, typename X::types_type>& c,
              const carried_gradients<typename X::mixer_type, typename X::types_type>& s, workspace ws) {
  using M = typename X::mixer_type;
  theorem<Form, M>();
  if constexpr (form_exists<Form, M>) {
    const std::size_t need = backward_workspace_bytes(on, form_, x);
    const extents e = check(x);
    detail::check_backward(x, e, dy, g, c, s, ws);
    if constexpr (Looks) check_values(x, dy, c, s);
    const workspace at(detail::aligned(ws, need, "backward_workspace_bytes"), need - detail::alignment_slack);
    detail::with_form<M>(form_, e, cpu::longest_sequence(x, e), [&](auto f) {
      cpu::launch_backward<M, backward_real<M, decltype(f), typename X::real>, X>(on, f, x, e, dy, g, c, s, at,
                                                                                  detail::repeats(g, typename X::needs{}));
    });
  }
}
/// The same, allocating its workspace.
template <class Device, class Form, class X, class DY, class G, bool Looks = detail::looks_at_values>
  requires(!detail::wrong_call<Device, Form, X, view<DY, 4>>)
void backward(const Device& on, Form form_, const X& x, const view<DY, 4>& dy, const G& g,
              const carried<typename X::mixer_type, typename X::types_type>& c = {},
              const carried_gradients<typename X::mixer_type, typename X::types_type>& s = {}) {
  std::vector<std::byte> memory(backward_workspace_bytes(on, form_, x));
  backward(on, form_, x, dy, g, c, s, workspace(memory));
}
/// A call that is none of these, refused with a sentence.
template <class First, class... A>
  requires detail::wrong_call<First, A...>
void backward(const First&, const A&...) {
  using call = detail::call_of<First, A...>;
  if constexpr (!call::absent)
    if constexpr (detail::common_places<call>())
      static_assert(call::rows,
                    "coefdyn: the fourth argument, dy, is a view of your numbers with four extents: view(dy.data(), B, T, H, d).");
}

}  // namespace coefdyn
