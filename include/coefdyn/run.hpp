// SPDX-License-Identifier: MIT
#pragma once
#include <vector>

#include "call.hpp"
#if defined(COEFDYN_CHECK_VALUES)
#include "check_values.hpp"
#endif

/// The one place where a form meets a device: cpu/run.hpp brings device::cpu, cuda/run.cuh device::cuda, and call.hpp says what one of
/// yours has to bring.
///
/// ```cpp statements with call
/// run(device::cpu{}, form::chunkwise{}, x, y);                  // y (B, T, H_q, d) is overwritten
/// run(device::cpu{}, form::step{}, x, y, {s, s});               // state<M> s: initial and final state, here in place
/// run(device::cpu{}, form::chunkwise{}, x, y, {s, s}, memory);  // workspace_bytes of them: nothing is allocated
/// ```
///
/// error   invalid_input, before anything is written; a form that the mixer cannot have is one compile-time sentence
namespace coefdyn {

namespace detail {
// A parameter of `run` and `backward`, so that units with COEFDYN_CHECK_VALUES and units without it link into one program.
#if defined(COEFDYN_CHECK_VALUES)
static constexpr bool looks_at_values = true;
#else
static constexpr bool looks_at_values = false;
#endif
/// Options of a form.
template <class Form>
void check_form(const Form&) {}
[[gnu::noinline]] inline void check_form(const form::chunkwise& f) {
  if (f.length < 0) refuse({"form::chunkwise length"}, {"a number of tokens, or 0 for the tuned one"}, {f.length});
  if (f.memory.save_every < 1) refuse({"form::chunkwise memory.save_every"}, {"a number of chunks of at least 1"}, {f.memory.save_every});
}
[[gnu::noinline]] inline void check_form(const form::parallel& f) {
  if (!(f.drop.p >= 0 && f.drop.p < 1))
    COEFDYN_THROW invalid_input("form::parallel drop.p", "a probability from 0 to less than 1", std::to_string(f.drop.p));
  if (f.drop.p > 0 && !f.drop.draws)
    refuse({"form::parallel drop.draws"}, {"a stream of random numbers, where drop.p is above 0"}, {"none"});
}
/// Whether the form can have the states that a call brings.
template <class Form>
void expect_no_state_beside_dropout(const Form& f, const any_state& state_) {
  if constexpr (std::is_same_v<Form, form::parallel>)
    if (f.drop.p > 0 && state_.given())
      refuse({"initial state"}, {"none where form::parallel drops weights: what a state holds has none"}, {"a state"});
}
COEFDYN_CHECK void expect_no_repeats(const char* prefix, const char* name, const any_view& v) {
  for (int a = 0; a < v.rank; ++a)
    if (v.strides[a] == 0 && v.extents[a] > 1 && v.data && has_elements(v.rank, v.extents))
      refuse({prefix, name}, {"strides that do not repeat an element"}, {"stride 0 along axis ", a});
}
COEFDYN_HELD(void expect_no_repeats<>(const char*, const char*, const any_view&));
/// A state that a call writes.
COEFDYN_CHECK void write_state(regions& memory, const char* name, const any_state& s, bool in_place) {
  if (!s.given()) return;
  expect_no_repeats(name, " S", s.S), expect_no_repeats(name, " z", s.z), expect_no_repeats(name, " m", s.m);
  expect_no_repeats(name, " position", s.position);
  memory.add_state(name, s.S, s.z, s.m, s.position, in_place);
}
COEFDYN_HELD(void write_state<>(regions&, const char*, const any_state&, bool));
template <class X, class... Need>
void add_streams(regions& memory, const char* prefix, const X& x, list<Need...>) {
  (memory.add(prefix, Need::tag::name, x.template of<Need>()), ...);
}
template <class... Need>
constexpr int count_of(list<Need...>) {
  return sizeof...(Need);
}
/// What a call writes and carries, on any device.
template <class Form, class X, class Y, class Types>
void check_call(const X& x, const Y& y, const carried<typename X::mixer_type, Types>& c, const extents& e, const workspace& ws) {
  const idx want[] = {e.batch, e.time - e.first_read, e.readers, e.d};
  expect_view("", "y", y, want);
  expect_no_repeats("", "y", y);
  const any_state initial(c.initial), final(c.final), captured(c.captured);
  if constexpr (traits<typename X::mixer_type>::linear)
    check_states(initial, final, captured, c.positions.data(), static_cast<idx>(c.positions.size()), e);
  else if (initial.given() || final.given() || captured.given() || !c.positions.empty())
    refuse({"carry"}, {"no state of n x d: the readout is not linear (Lemma 1); its cache is the tokens before first_read"}, {"a state"});
  if constexpr (std::is_same_v<Form, form::parallel>)
    if (!c.positions.empty())
      refuse({"positions"}, {"none in the parallel form; use form::chunkwise, recurrent or definition"}, {idx(c.positions.size())});
  region all[count_of(typename X::needs{}) + 14];
  regions memory(all);
  const view<std::byte, 1> scratch(ws.data(), idx(ws.size()));
  memory.add("", "y", y), memory.add("", "workspace", scratch);
  write_state(memory, "final state", final, true), write_state(memory, "captured state", captured, false);
  memory.end_of_written();
  add_streams(memory, "", x, typename X::needs{});
  memory.add_state("initial state", initial.S, initial.z, initial.m, initial.position, true);
  expect_apart(memory);
}
COEFDYN_CHECK void expect_bytes(std::size_t given, std::size_t need, const char* of, const char* query) {
  if (given < need) refuse({"workspace"}, {idx(need), " bytes", of, " (", query, ")"}, {idx(given)});
}
COEFDYN_HELD(void expect_bytes<>(std::size_t, std::size_t, const char*, const char*));
template <class Device>
void expect_workspace(const workspace& ws, std::size_t need, const char* query) {
  expect_bytes(ws.size(), need, memory_of<Device>::on_host ? "" : " of device memory", query);
}
/// States by their type, where it says; whatever else a view points to is the caller's word.
template <class Device, class M, class Types>
void expect_states_in_reach(const carried<M, Types>& c) {
  constexpr bool on_host = memory_of<Device>::on_host;
  expect_reach(c.initial, on_host, "initial state"), expect_reach(c.final, on_host, "final state");
  expect_reach(c.captured, on_host, "captured state");
}
/// What a device says of a call's sizes, and of itself.
template <class Device, class X>
call_size checked_size(const Device& on, const X& x) {
  if constexpr (requires { size_of(on, x); }) {
    return size_of(on, x);
  } else {
    const extents e = check(x);
    return {e, longest_sequence(x, e)};
  }
}
template <class Device>
auto allocated_on(const Device& on, std::size_t bytes) {
  if constexpr (requires { allocated(on, bytes); }) return allocated(on, bytes);
  else return std::vector<std::byte>(bytes);
}
template <class X>
using output_view = view<typename X::types_type::storage, 4>;
template <class X>
using carried_of = carried<typename X::mixer_type, typename X::types_type>;
/// f(form that runs, pass) of a form that exists.
template <class Device, class Form, class X, class Y, class F>
decltype(auto) with_pass(const Device& on, Form form_, const X& x, const Y& y, const carried_of<X>& c, F f) {
  check_form(form_);
  const forward_pass<X, Y> pass{checked_size(on, x), x, y, c};
  return with_form(chosen(on, form_, pass), [&](auto form_that_runs) { return f(form_that_runs, pass); });
}
/// `more`: of the device's own.
template <bool Looks, class Device, class Form, class X, class Out, class... More>
void run_with(const Device& on, Form form_, const X& x, const view<Out, 4>& y, const carried_of<X>& c, workspace ws, More... more) {
  theorem<Form, typename X::mixer_type>();
  if constexpr (form_exists<Form, typename X::mixer_type> && is_written<Out>())
    with_pass(on, form_, x, y, c, [&](auto f, const auto& pass) {
      expect_states_in_reach<Device>(c);
      expect_no_state_beside_dropout(form_, any_state(c.initial));
      check_call<Form>(x, y, c, pass.e, ws);
      if constexpr (Looks && memory_of<Device>::on_host) check_values(x, c);
      expect_workspace<Device>(ws, bytes(on, f, pass), "workspace_bytes");
      launch(on, f, pass, ws, more...);
    });
}
}  // namespace detail

/// Bytes that `run` needs in its workspace, wherever it begins. `c` and `y`: of the call, for devices whose kernels differ by them.
/// Without them the query stands for a call without captured states whose states are dense and whose y has 16-byte aligned rows of the
/// storage type.
template <class Device, class Form, class X, class Y = detail::output_view<X>>
  requires detail::right_query<Device, Form, X>
std::size_t workspace_bytes(const Device& on, Form form_, const X& x, const detail::carried_of<X>& c = {}, const Y& y = {}) {
  theorem<Form, typename X::mixer_type>();
  if constexpr (form_exists<Form, typename X::mixer_type>)
    return detail::with_pass(on, form_, x, y, c, [&](auto f, const auto& pass) -> std::size_t { return bytes(on, f, pass); });
  else return 0;
}

/// y of the form on the device, in a workspace of the caller's.
template <class Device, class Form, class X, class Out, bool Looks = detail::looks_at_values>
  requires detail::right_call<Device, Form, X, view<Out, 4>>
void run(const Device& on, Form form_, const X& x, const view<Out, 4>& y, const detail::carried_of<X>& c, workspace ws) {
  detail::run_with<Looks>(on, form_, x, y, c, ws);
}
/// The same, allocating its workspace.
template <class Device, class Form, class X, class Out, bool Looks = detail::looks_at_values>
  requires detail::right_call<Device, Form, X, view<Out, 4>>
void run(const Device& on, Form form_, const X& x, const view<Out, 4>& y, const detail::carried_of<X>& c = {}) {
  auto memory = detail::allocated_on(on, workspace_bytes(on, form_, x, c, y));
  run<Device, Form, X, Out, Looks>(on, form_, x, y, c, workspace(memory.data(), memory.size()));
}
/// A call that is none of these, refused with a sentence.
template <class First, class... A>
  requires detail::wrong_call<First, A...>
void run(const First&, const A&...) {
  using call = detail::call_of<First, A...>;
  if constexpr (!call::absent)
    if constexpr (detail::common_places<call>())
      static_assert(call::rows,
                    "coefdyn: the fourth argument, y, is a view of your numbers with four extents: view(y.data(), B, T, H, d).");
}

}  // namespace coefdyn
