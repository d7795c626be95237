// SPDX-License-Identifier: MIT
#pragma once
#include "../backward.hpp"
#include "launch_backward.cuh"
#include "run.cuh"

/// The calls of backward.hpp on a GPU.
///
///   backward(device::cuda{stream}, form, x, dy, g, carry, state_gradients, workspace);   queued, nothing allocated
///   backward(device::cuda{stream}, form, x, dy, g);                                      allocates its workspace on the stream
namespace coefdyn {

template <class Form, class X>
std::size_t backward_workspace_bytes(const device::cuda& on, Form form_, const X& x) {
  using M = typename X::mixer_type;
  theorem<Form, M>();
  if constexpr (form_exists<Form, M>) {
    const extents e = cuda::checked_extents(on, x);
    const idx longest = cuda::longest_sequence(on, x, e);
    const carried<M, typename X::types_type> none;
    return cuda::with_form<M>(
               form_, e, longest,
               [&](auto f) { return std::size_t(cuda::generic::plan_backward<M, typename X::real, X>(f, e, longest).bytes()); }) +
           cuda::generic::table_bytes(x, none, on.trusted);
  } else {
    return 0;
  }
}
template <class Form, class X, class DY, class G>
void backward(const device::cuda& on, Form form_, const X& x, const view<DY, 4>& dy, const G& g,
              const carried<typename X::mixer_type, typename X::types_type>& c,
              const carried_gradients<typename X::mixer_type, typename X::types_type>& s, workspace ws) {
  using M = typename X::mixer_type;
  using Types = typename X::types_type;
  theorem<Form, M>();
  if constexpr (form_exists<Form, M>) {
    const extents e = cuda::checked_extents(on, x);
    const idx longest = cuda::longest_sequence(on, x, e);
    detail::check_backward<M>(x, e, dy, g, c, s);
    const std::size_t need = backward_workspace_bytes(on, form_, x);
    if (ws.size() < need)
      throw invalid_input("workspace", std::to_string(need) + " bytes of device memory (backward_workspace_bytes)",
                          std::to_string(ws.size()));
    cuda::with_form<M>(form_, e, longest, [&](auto f) {
      X moved = x;
      const carried<M, Types> no_positions{c.initial, {}, {}, {}};
      auto carry = cuda::generic::view_of(no_positions);
      std::byte* rest = cuda::generic::place_tables(on, moved, no_positions, carry, ws.data());
      const cuda::generic::backward_call<M, Types, G, view<DY, 4>> call{g, dy, c.initial, s.final, s.initial};
      cuda::generic::plan_backward<M, typename X::real, X>(f, e, longest)
          .run(on.stream, moved, e, longest, call, rest, detail::repeats(g, typename X::needs{}));
    });
  }
}
template <class Form, class X, class DY, class G>
void backward(const device::cuda& on, Form form_, const X& x, const view<DY, 4>& dy, const G& g,
              const carried<typename X::mixer_type, typename X::types_type>& c = {},
              const carried_gradients<typename X::mixer_type, typename X::types_type>& s = {}) {
  const std::size_t bytes = backward_workspace_bytes(on, form_, x);
  cuda::stream_memory memory(on.stream, bytes);
  backward(on, form_, x, dy, g, c, s, workspace(memory.data, bytes));
}

}  // namespace coefdyn
