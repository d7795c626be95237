// SPDX-License-Identifier: MIT
#pragma once
#include <string>

#include "run.hpp"

namespace coefdyn {

/// What `run` does for these tokens, in words: "chunkwise, avx512, 8 threads", or "sweep, sm_90a, chunks of 64"; `c` and `y` as for
/// workspace_bytes.
///
/// ```cpp statements with call
/// chosen_kernel(device::cpu{}, form::automatic{}, x);
/// ```
///
/// error   invalid_input, as run
template <class Device, class Form, class X, class Y = detail::output_view<X>>
  requires detail::right_query<Device, Form, X>
std::string chosen_kernel(const Device& on, Form form_, const X& x, const detail::carried_of<X>& c = {}, const Y& y = {}) {
  theorem<Form, typename X::mixer_type>();
  if constexpr (form_exists<Form, typename X::mixer_type>)
    return detail::with_pass(on, form_, x, y, c, [&](auto f, const auto& pass) { return kernel_name(on, f, pass); });
  else return {};
}

}  // namespace coefdyn
