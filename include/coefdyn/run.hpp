// SPDX-License-Identifier: MIT
#pragma once
#include <vector>

#include "call.hpp"
#include "cpu/launch.hpp"

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
template <class M, class Y>
void check_output(const Y& y, const extents& e) {
  const idx want[] = {e.batch, e.time - e.first_read, e.readers, e.d};
  for (int a = 0; a < 4; ++a)
    if (y.extents[a] != want[a]) throw invalid_input("y", "shape " + shape_text(want, 4), "shape " + shape_text(y.extents, 4));
  if (!y.data && y.size() > 0) throw invalid_input("y", "a tensor of shape " + shape_text(want, 4), "none");
  for (int a = 0; a < 4; ++a)
    if (y.strides[a] == 0 && y.extents[a] > 1 && y.size() > 0)
      throw invalid_input("y", "strides that do not repeat an element", "stride 0 along axis " + std::to_string(a));
}
/// What a call writes and carries, on any device.
template <class Form, class M, class Y, class Types>
void check_call(const Y& y, const carried<M, Types>& c, const extents& e) {
  check_output<M>(y, e);
  if constexpr (traits<M>::linear) check_carry(c, e);
  else if (c.initial || c.final || !c.positions.empty())
    throw invalid_input("carry", "no state of n x d: the readout is not linear (Lemma 1); its cache is the tokens before first_read",
                        "a state");
  if constexpr (std::is_same_v<Form, form::parallel>)
    if (!c.positions.empty())
      throw invalid_input("positions", "none in the parallel form; use form::chunkwise, recurrent or definition",
                          std::to_string(c.positions.size()));
}
}  // namespace detail

/// What a form computes in: its tokens' real number, and double for float tokens in the definition, which has to be the truth.
template <class Form, class R>
using form_real = std::conditional_t<std::is_same_v<Form, form::definition>, cpu::wide<R>, R>;

/// Bytes that `run` needs in its workspace.
template <class Executor, class Form, class X>
std::size_t workspace_bytes(const device::cpu<Executor>& on, Form form_, const X& x) {
  using M = typename X::mixer_type;
  theorem<Form, M>();
  if constexpr (form_exists<Form, M>) {
    const extents e = check(x);
    const idx longest = cpu::longest_sequence(x, e);
    return detail::with_form<M>(form_, e, longest, [&](auto f) {
      using memory = cpu::worker_memory<M, form_real<decltype(f), typename X::real>, X, decltype(f)>;
      return static_cast<std::size_t>(on.executor.workers()) * memory::bytes(f, e, longest);
    });
  } else {
    return 0;
  }
}

template <class Executor, class Form, class X, class Out>
void run(const device::cpu<Executor>& on, Form form_, const X& x, const view<Out, 4>& y,
         const carried<typename X::mixer_type, typename X::types_type>& c, workspace ws) {
  using M = typename X::mixer_type;
  theorem<Form, M>();
  if constexpr (form_exists<Form, M> && detail::is_written<Out>()) {
    const extents e = check(x);
    detail::check_call<Form, M>(y, c, e);
    const idx longest = cpu::longest_sequence(x, e);
    detail::with_form<M>(form_, e, longest, [&](auto f) {
      using R = form_real<decltype(f), typename X::real>;
      const std::size_t per_worker = cpu::worker_memory<M, R, X, decltype(f)>::bytes(f, e, longest);
      const std::size_t need = static_cast<std::size_t>(on.executor.workers()) * per_worker;
      if (ws.size() < need) throw invalid_input("workspace", std::to_string(need) + " bytes (workspace_bytes)", std::to_string(ws.size()));
      cpu::launch<M, R, X>(on, f, x, e, longest, y, c, ws.data(), per_worker);
    });
  }
}
/// The same, allocating its workspace.
template <class Device, class Form, class X, class Out>
  requires(!detail::wrong_call<Device, Form, X, view<Out, 4>>)
void run(const Device& on, Form form_, const X& x, const view<Out, 4>& y,
         const carried<typename X::mixer_type, typename X::types_type>& c = {}) {
  std::vector<std::byte> memory(workspace_bytes(on, form_, x) + 64);
  const std::size_t shift = (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64;
  run(on, form_, x, y, c, workspace(memory).subspan(shift));
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
