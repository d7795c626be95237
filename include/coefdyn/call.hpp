// SPDX-License-Identifier: MIT
#pragma once
#include "core/arena.hpp"
#include "core/check.hpp"
#include "core/device.hpp"
#include "core/form.hpp"
#include "core/state.hpp"
#include "theorems.hpp"

/// What `run` and `backward` ask of a device. One is a type with `static constexpr bool is_device = true`; in its namespace stand, for a
/// call that is a forward_pass or a backward_pass,
///
///   auto chosen(const Device&, Form, const Pass&)                  the form that runs in the place of any form asked for, or form::one_of
///   std::size_t bytes(const Device&, Form, const Pass&)            of workspace
///   void launch(const Device&, Form, const Pass&, workspace)       fills what the pass writes; the workspace has those bytes
///
/// and, where the device has something to say,
///
///   call_size size_of(const Device&, const X&)                     checks of its own, and of the tokens
///   auto allocated(const Device&, std::size_t)                     memory for a workspace, of data() and size()
///   std::string kernel_name(const Device&, Form, const Pass&)      for `chosen_kernel`
///   memory_of_device<Device> of core/buffer.hpp                    where its views' numbers lie, if not on the host
///
/// tests/core/third_device.cpp is one.
namespace coefdyn {

/// Sizes of a call, and tokens of its longest sequence.
struct call_size {
  extents e;
  idx longest = 0;
};
/// A call of `run` after its checks. In a query of bytes y may be without data: one with aligned rows of the storage type.
template <class X, class Y>
struct forward_pass : call_size {
  const X& x;
  const Y& y;
  const carried<typename X::mixer_type, typename X::types_type>& c;
};
/// A call of `backward` after its checks; a query of bytes for `any` call on these tokens has no dy and no gradients.
template <class X, class DY, class G>
struct backward_pass : call_size {
  const X& x;
  const DY& dy;
  const G& g;
  const carried<typename X::mixer_type, typename X::types_type>& c;
  const carried_gradients<typename X::mixer_type, typename X::types_type>& s;
  bool any = false;
};

/// The form of a few tokens: `Linear`, which carries a state, or for another readout one read of the cache.
template <class M, class Linear>
using step_form =
    std::conditional_t<traits<M>::linear, Linear, std::conditional_t<form_exists<form::parallel, M>, form::parallel, form::definition>>;

namespace detail {

/// f(the form that runs).
template <class Form, class F>
decltype(auto) with_form(Form form_, F f) {
  return f(form_);
}
template <class First, class... Rest, class Any, class F>
decltype(auto) with_one(list<First, Rest...>, const Any& any, int which, const F& f) {
  if constexpr (sizeof...(Rest) == 0) {
    return f(static_cast<const First&>(any));
  } else {
    if (which == 0) return f(static_cast<const First&>(any));
    return with_one(list<Rest...>{}, any, which - 1, f);
  }
}
template <class... Form, class F>
decltype(auto) with_form(const form::one_of<Form...>& any, F f) {
  return with_one(list<Form...>{}, any, any.which, f);
}

// ---- calls that no overload takes: one sentence in place of the compiler's list of candidates -------------------------

template <class X>
concept is_tokens = requires {
  typename X::mixer_type;
  typename X::types_type;
};
template <class T>
void take_rows(const view<T, 4>&);
template <class V>
concept is_rows = requires(const V& v) { take_rows(v); };  // nvcc does not call a lambda here

struct left_out {};
/// What stands in the places of a call: device, form, tokens, and rows (y or dy).
template <class Device, class Form = left_out, class X = left_out, class Rows = left_out, class...>
struct call_of {
  static constexpr bool device = is_device<Device>, form = is_form<Form>, tokens = is_tokens<X>, rows = is_rows<Rows>;
  static constexpr bool absent = requires { Device::is_absent; };  // its sentence has been said
};
/// A call with all in place, and one with something of this library in the first place, so that nobody else's function of the name is
/// meant, and a wrong one.
template <class First, class... A>
concept right_call = !call_of<First, A...>::absent && call_of<First, A...>::device && call_of<First, A...>::form &&
                     call_of<First, A...>::tokens && call_of<First, A...>::rows;
template <class First, class... A>
concept wrong_call = (is_device<First> || is_form<First> || is_tokens<First>) && !right_call<First, A...>;
template <class Device, class Form, class X>
concept right_query = !call_of<Device>::absent && is_device<Device> && is_form<Form> && is_tokens<X>;

template <class Call>
consteval bool common_places() {
  static_assert(Call::device, "coefdyn: the device is left out; say run(device::cpu{}, form::automatic{}, x, y).");
  static_assert(!Call::device || Call::form,
                "coefdyn: the form is left out; say run(device::cpu{}, form::automatic{}, x, y), or definition, parallel, recurrent, "
                "chunkwise, step in its place.");
  static_assert(!Call::device || !Call::form || Call::tokens,
                "coefdyn: the third argument, behind the device and the form, is the input: x of a type tokens<M>.");
  return Call::device && Call::form && Call::tokens;
}
/// Whether y can be written.
template <class Out>
consteval bool is_written() {
  static_assert(!std::is_const_v<Out>, "coefdyn: y is written, and this is a view of const numbers.");
  return !std::is_const_v<Out>;
}
}  // namespace detail
}  // namespace coefdyn
