// SPDX-License-Identifier: MIT
#pragma once
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
/// Whether heads add to each other's gradients; sums of streams without time are made apart (constant_slots).
template <class G, class... Need>
bool repeats_over_heads(const G& g, list<Need...>) {
  bool any = false;
  (
      [&] {
        if constexpr (Need::timed && Need::headed) {
          const auto& v = g.template of<Need>();
          any = any || (v.data && v.strides[2] == 0 && v.extents[2] > 1);
        }
      }(),
      ...);
  return any;
}
/// Which groups of heads a backward pass may do at once: all; those of different key heads, where a gradient is a sum over sequences; none,
/// where it is one over heads too. The others go in the order of their numbers.
enum class at_once { all, heads, none };
template <class Needs, class G>
at_once groups_at_once(const G& g) {
  return !repeats(g, Needs{}) ? at_once::all : repeats_over_heads(g, Needs{}) ? at_once::none : at_once::heads;
}
COEFDYN_CHECK void check_gradient_state(const any_state& s, const extents& e, const char* name) {
  const idx S_want[] = {e.sequences, e.states, e.n, e.d}, z_want[] = {e.sequences, e.states, e.n};
  if (s.given()) expect_view(name, " S", s.S, S_want);
  if (s.z.data) expect_view(name, " z", s.z, z_want);
}
COEFDYN_HELD(void check_gradient_state<>(const any_state&, const extents&, const char*));
template <class X, class G, class DY, class Types>
void check_backward(const X& x, const extents& e, const DY& dy, const G& g, const carried<typename X::mixer_type, Types>& c,
                    const carried_gradients<typename X::mixer_type, Types>& s, const workspace& ws) {
  if (e.first_read > 0) refuse({"first_read"}, {"0 for gradients: every token is read"}, {e.first_read});
  const idx want[] = {e.batch, e.time, e.readers, e.d};
  expect_view("", "dy", dy, want);
  check_gradients<typename X::mixer_type>(g, e, typename X::needs{});
  const any_state initial(c.initial), from(s.final), to(s.initial);
  if constexpr (traits<typename X::mixer_type>::linear) {
    check_states(initial, c.final, c.captured, c.positions.data(), static_cast<idx>(c.positions.size()), e);
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
  expect_apart(memory);
}
template <class X>
using carried_gradients_of = carried_gradients<typename X::mixer_type, typename X::types_type>;
template <class X>
using gradients_of = gradients<typename X::mixer_type, typename X::types_type, typename X::heads_type, X::over>;
template <class X>
using cotangent_view = view<const typename X::types_type::storage, 4>;
/// f(form that runs, pass) of a form that exists.
template <class Device, class Form, class X, class DY, class G, class F>
decltype(auto) with_backward_pass(const Device& on, Form form_, const X& x, const DY& dy, const G& g, const carried_of<X>& c,
                                  const carried_gradients_of<X>& s, bool any, F f) {
  check_form(form_);
  const backward_pass<X, DY, G> pass{checked_size(on, x), x, dy, g, c, s, any};
  return with_form(chosen(on, form_, pass), [&](auto form_that_runs) { return f(form_that_runs, pass); });
}
/// `more`: of the device's own.
template <bool Looks, class Device, class Form, class X, class DY, class G, class... More>
void backward_with(const Device& on, Form form_, const X& x, const view<DY, 4>& dy, const G& g, const carried_of<X>& c,
                   const carried_gradients_of<X>& s, workspace ws, More... more) {
  theorem<Form, typename X::mixer_type>();
  if constexpr (form_exists<Form, typename X::mixer_type>)
    with_backward_pass(on, form_, x, dy, g, c, s, false, [&](auto f, const auto& pass) {
      expect_states_in_reach<Device>(c);
      expect_reach(s.final, memory_of<Device>::on_host, "gradient of the final state");
      expect_reach(s.initial, memory_of<Device>::on_host, "gradient of the initial state");
      expect_no_state_beside_dropout(form_, any_state(c.initial)), expect_no_state_beside_dropout(form_, any_state(s.initial));
      check_backward(x, pass.e, dy, g, c, s, ws);
      if constexpr (Looks && memory_of<Device>::on_host) check_values(x, dy, c, s);
      expect_workspace<Device>(ws, bytes(on, f, pass, more...), "backward_workspace_bytes");
      launch(on, f, pass, ws, more...);
    });
}
}  // namespace detail

/// Bytes that `backward` needs in its workspace, wherever it begins, whatever gradients are asked for.
template <class Device, class Form, class X>
  requires detail::right_query<Device, Form, X>
std::size_t backward_workspace_bytes(const Device& on, Form form_, const X& x) {
  theorem<Form, typename X::mixer_type>();
  if constexpr (form_exists<Form, typename X::mixer_type>)
    return detail::with_backward_pass(on, form_, x, detail::cotangent_view<X>{}, detail::gradients_of<X>{}, {}, {}, true,
                                      [&](auto f, const auto& pass) -> std::size_t { return bytes(on, f, pass); });
  else return 0;
}
/// The same for one call.
template <class Device, class Form, class X, class DY, class G>
  requires detail::right_query<Device, Form, X>
std::size_t backward_workspace_bytes(const Device& on, Form form_, const X& x, const view<DY, 4>& dy, const G& g,
                                     const detail::carried_of<X>& c = {}, const detail::carried_gradients_of<X>& s = {}) {
  theorem<Form, typename X::mixer_type>();
  if constexpr (form_exists<Form, typename X::mixer_type>)
    return detail::with_backward_pass(on, form_, x, dy, g, c, s, false,
                                      [&](auto f, const auto& pass) -> std::size_t { return bytes(on, f, pass); });
  else return 0;
}

/// Gradients of the form on the device, in a workspace of the caller's.
template <class Device, class Form, class X, class DY, class G, bool Looks = detail::looks_at_values>
  requires detail::right_call<Device, Form, X, view<DY, 4>>
void backward(const Device& on, Form form_, const X& x, const view<DY, 4>& dy, const G& g, const detail::carried_of<X>& c,
              const detail::carried_gradients_of<X>& s, workspace ws) {
  detail::backward_with<Looks>(on, form_, x, dy, g, c, s, ws);
}
/// The same, allocating its workspace.
template <class Device, class Form, class X, class DY, class G, bool Looks = detail::looks_at_values>
  requires detail::right_call<Device, Form, X, view<DY, 4>>
void backward(const Device& on, Form form_, const X& x, const view<DY, 4>& dy, const G& g, const detail::carried_of<X>& c = {},
              const detail::carried_gradients_of<X>& s = {}) {
  auto memory = detail::allocated_on(on, backward_workspace_bytes(on, form_, x, dy, g, c, s));
  backward<Device, Form, X, DY, G, Looks>(on, form_, x, dy, g, c, s, workspace(memory.data(), memory.size()));
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
