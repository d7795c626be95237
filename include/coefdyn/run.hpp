// SPDX-License-Identifier: MIT
#pragma once
#include <vector>

#include "call.hpp"
#include "cpu/launch.hpp"
#if defined(COEFDYN_CHECK_VALUES)
#include "check_values.hpp"
#endif

/// The one place where a form meets a device.
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
/// Calls f with the form that runs: automatic and step are resolved here.
template <class M, class Form, class F>
decltype(auto) with_form(Form form_, const extents& e, idx longest, F f) {
  if constexpr (std::is_same_v<Form, form::automatic>) {
    switch (cpu::chosen<M>(longest, e.n, e.d)) {
      case cpu::chosen_form::chunkwise:
        if constexpr (form_exists<form::chunkwise, M>) return f(form::chunkwise{});
      case cpu::chosen_form::recurrent:
        if constexpr (form_exists<form::recurrent, M>) return f(form::recurrent{});
      case cpu::chosen_form::parallel:
        if constexpr (form_exists<form::parallel, M>) return f(form::parallel{});
      default:
        return f(form::definition{});
    }
  } else if constexpr (std::is_same_v<Form, form::step>) {
    if constexpr (traits<M>::linear) return f(form::recurrent{});
    else if constexpr (form_exists<form::parallel, M>) return f(form::parallel{});
    else return f(form::definition{});
  } else {
    (void)longest, (void)e;
    return f(form_);
  }
}
/// Options of a form.
template <class Form>
void check_form(const Form&) {}
[[gnu::noinline]] inline void check_form(const form::chunkwise& f) {
  if (f.length < 0) refuse({"form::chunkwise length"}, {"a number of tokens, or 0 for the tuned one"}, {f.length});
  if (f.memory.save_every < 1) refuse({"form::chunkwise memory.save_every"}, {"a number of chunks of at least 1"}, {f.memory.save_every});
}
/// Options of a device.
template <class Executor>
void check_device(const device::cpu<Executor>& on) {
  if constexpr (std::is_same_v<Executor, openmp>)
    if (on.executor.limit < 0) refuse({"openmp limit"}, {"a number of threads, or 0 for all"}, {on.executor.limit});
  if (on.executor.workers() < 1) refuse({"executor"}, {"at least one worker"}, {on.executor.workers()});
}
[[gnu::noinline]] inline void expect_no_repeats(const char* prefix, const char* name, const any_view& v) {
  for (int a = 0; a < v.rank; ++a)
    if (v.strides[a] == 0 && v.extents[a] > 1 && v.data && has_elements(v.rank, v.extents))
      refuse({prefix, name}, {"strides that do not repeat an element"}, {"stride 0 along axis ", a});
}
/// A state that a call writes.
[[gnu::noinline]] inline void write_state(regions& memory, const char* name, const any_state& s, bool in_place) {
  if (!s.given()) return;
  expect_no_repeats(name, " S", s.S), expect_no_repeats(name, " z", s.z), expect_no_repeats(name, " m", s.m);
  expect_no_repeats(name, " position", s.position);
  memory.add_state(name, s.S, s.z, s.m, s.position, in_place);
}
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
  if constexpr (traits<typename X::mixer_type>::linear) check_states(initial, final, captured, c.positions, e);
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
  memory.expect_apart();
}
/// A workspace may begin at any byte; the arrays in it begin on a cache line, up to 63 bytes later.
inline constexpr std::size_t alignment_slack = 64;
[[gnu::noinline]] inline std::byte* aligned(const workspace& ws, std::size_t need, const char* query) {
  if (ws.size() < need) refuse({"workspace"}, {idx(need), " bytes (", query, ")"}, {idx(ws.size())});
  return aligned_to_line(ws.data());
}
}  // namespace detail

/// What a form computes in: its tokens' real number, and double for float tokens in the definition, which has to be the truth.
template <class Form, class R>
using form_real = std::conditional_t<std::is_same_v<Form, form::definition>, cpu::wide<R>, R>;

/// Bytes that `run` needs in its workspace, wherever it begins.
template <class Executor, class Form, class X>
std::size_t workspace_bytes(const device::cpu<Executor>& on, Form form_, const X& x) {
  using M = typename X::mixer_type;
  theorem<Form, M>();
  if constexpr (form_exists<Form, M>) {
    detail::check_form(form_), detail::check_device(on);
    const extents e = check(x);
    const idx longest = cpu::longest_sequence(x, e);
    return detail::with_form<M>(form_, e, longest, [&](auto f) {
      using memory = cpu::worker_memory<M, form_real<decltype(f), typename X::real>, X, decltype(f)>;
      return static_cast<std::size_t>(on.executor.workers()) * memory::bytes(f, e, longest) + detail::alignment_slack;
    });
  } else {
    return 0;
  }
}

/// The same on the CPU, in a workspace of the caller's.
template <class Executor, class Form, class X, class Out, bool Looks = detail::looks_at_values>
void run(const device::cpu<Executor>& on, Form form_, const X& x, const view<Out, 4>& y,
         const carried<typename X::mixer_type, typename X::types_type>& c, workspace ws) {
  using M = typename X::mixer_type;
  theorem<Form, M>();
  if constexpr (form_exists<Form, M> && detail::is_written<Out>()) {
    detail::check_form(form_), detail::check_device(on);
    const extents e = check(x);
    detail::check_call<Form>(x, y, c, e, ws);
    if constexpr (Looks) check_values(x, c);
    const idx longest = cpu::longest_sequence(x, e);
    detail::with_form<M>(form_, e, longest, [&](auto f) {
      using R = form_real<decltype(f), typename X::real>;
      const std::size_t per_worker = cpu::worker_memory<M, R, X, decltype(f)>::bytes(f, e, longest);
      const std::size_t need = static_cast<std::size_t>(on.executor.workers()) * per_worker + detail::alignment_slack;
      cpu::launch<M, R, X>(on, f, x, e, longest, y, c, detail::aligned(ws, need, "workspace_bytes"), per_worker);
    });
  }
}
/// The same, allocating its workspace.
template <class Device, class Form, class X, class Out, bool Looks = detail::looks_at_values>
  requires(!detail::wrong_call<Device, Form, X, view<Out, 4>>)
void run(const Device& on, Form form_, const X& x, const view<Out, 4>& y,
         const carried<typename X::mixer_type, typename X::types_type>& c = {}) {
  std::vector<std::byte> memory(workspace_bytes(on, form_, x));
  run(on, form_, x, y, c, workspace(memory));
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
