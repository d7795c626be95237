// SPDX-License-Identifier: MIT
#pragma once
#include "core/device.hpp"
#include "core/form.hpp"
#include "core/tensor.hpp"

/// Calls of run and backward that no overload takes: one sentence in place of the compiler's list of candidates.
namespace coefdyn::detail {

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
  static constexpr bool absent = std::is_same_v<Device, device::without_its_header::cuda>;  // its sentence has been said
};
/// A call with something of this library in the first place, so that nobody else's function of the name is meant, and a wrong one.
template <class First, class... A>
concept wrong_call = (is_device<First> || is_form<First> || is_tokens<First>) &&
                     (call_of<First, A...>::absent || !(call_of<First, A...>::device && call_of<First, A...>::form &&
                                                        call_of<First, A...>::tokens && call_of<First, A...>::rows));

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
}  // namespace coefdyn::detail
